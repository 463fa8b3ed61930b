"""The page of memory that a slot shares with its supervisor: what is in hand, readable after kill -9."""

import mmap
import os
import sys
import tempfile
import time
from typing import Final

_SIZE: Final = 64
# Eight-byte words; each is stored whole, so the other side never sees half of one.
_SEQ: Final = 0
_ITEM: Final = 1
_BEGUN: Final = 2
_BEAT: Final = 3
_LIMIT: Final = 4

NO_LIMIT: Final = 2**64 - 1


class Page:
    """A slot writes what it has in hand, the supervisor how far it may go.

    Clocks are ``time.monotonic()``, which all processes of a machine share.

    Args:
        fd: Descriptor of the shared memory; it stays open and belongs to the caller.
    """

    __slots__ = ("_floats", "_map", "_words", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, _SIZE)
        self._words = memoryview(self._map).cast("Q")
        self._floats = memoryview(self._map).cast("d")

    @classmethod
    def create(cls) -> "Page":
        """Make a page of zeros that a child can inherit.

        Returns:
            The page; nothing in hand, no limit.
        """
        if sys.platform == "linux":
            fd = os.memfd_create("evtrack-slot")
        else:
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, _SIZE)
        page = cls(fd)
        page.limit = NO_LIMIT
        return page

    def begin(self, seq: int, now: float) -> None:
        """Say that a batch is in hand from now on.

        Args:
            seq: Its number in this slot's life, from 1.
            now: The monotonic clock.
        """
        floats = self._floats
        floats[_BEGUN] = floats[_BEAT] = now
        words = self._words
        words[_ITEM] = 0
        words[_SEQ] = seq

    def withdraw(self) -> None:
        """Say that the batch just begun was not: its turn does not come."""
        self._words[_SEQ] -= 1

    def mark(self, index: int) -> None:
        """Say which item of the batch is in hand.

        Args:
            index: Its place in the batch, from 0.
        """
        self._words[_ITEM] = index + 1
        self._floats[_BEAT] = time.monotonic()

    def beat(self) -> None:
        """Say that the handler is alive."""
        self._floats[_BEAT] = time.monotonic()

    @property
    def seq(self) -> int:
        """Number of the batch that was begun last; 0 before the first."""
        return self._words[_SEQ]

    @property
    def item(self) -> int | None:
        """Place of the item in hand, or None when the handler has the whole batch."""
        return self._words[_ITEM] - 1 if self._words[_ITEM] else None

    @property
    def begun_at(self) -> float:
        """Monotonic time at which the batch was begun."""
        return self._floats[_BEGUN]

    @property
    def beat_at(self) -> float:
        """Monotonic time of the last sign of life."""
        return self._floats[_BEAT]

    @property
    def limit(self) -> int:
        """Highest seq that the slot may begin."""
        return self._words[_LIMIT]

    @limit.setter
    def limit(self, seq: int) -> None:
        self._words[_LIMIT] = seq

    def close(self) -> None:
        """Let go of the memory and its descriptor."""
        self._words.release()
        self._floats.release()
        self._map.close()
        os.close(self.fd)
