"""The page of memory that a slot shares with its supervisor: what is in hand and done, readable after kill -9."""

import mmap
import os
import struct
import sys
import time
from typing import Final

NOTES_BYTES: Final = 1 << 16
"""Room for the results of items that are done, until they are sent or their batch is."""

_NOTES: Final = 64
_SIZE: Final = _NOTES + NOTES_BYTES
_NOTE: Final = struct.Struct("=II")
_pack = _NOTE.pack
# Eight-byte words; each is stored whole, so the other side never sees half of one.
_SEQ: Final = 0
_ITEM: Final = 1
_BEGUN: Final = 2
_BEAT: Final = 3
_LIMIT: Final = 4
_USED: Final = 5

NO_LIMIT: Final = 2**64 - 1


class SharedPage:
    """A slot writes what it has in hand, the supervisor how far it may go.

    Clocks are ``time.monotonic()``, which all processes of a machine share.

    Args:
        fd: Descriptor of the shared memory; it stays open and belongs to the caller.
    """

    __slots__ = ("_floats", "_map", "_words", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, _SIZE)
        self._words = memoryview(self._map)[:_NOTES].cast("Q")
        self._floats = memoryview(self._map)[:_NOTES].cast("d")

    @classmethod
    def create(cls) -> "SharedPage":
        """Make a page of zeros that a child can inherit.

        Returns:
            The page; nothing in hand, no limit.
        """
        if sys.platform == "linux":
            fd = os.memfd_create("evtrack-slot")
        else:
            import tempfile  # noqa: PLC0415  a tenth of a slot's start, and only here

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
        words[_USED] = words[_ITEM] = 0
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

    def unmark(self) -> None:
        """Say that the handler has no single item in hand."""
        self._words[_ITEM] = 0

    def note(self, place: int, line: bytes) -> bool:
        """Write down that an item of the batch is done, and what came of it.

        Args:
            place: Its place in the batch, from 0.
            line: Its result, a line of JSON; empty when nothing was returned.

        Returns:
            Whether there was room.
        """
        words = self._words
        used = words[_USED]
        note = _pack(place, len(line)) + line
        end = used + len(note)
        if end > NOTES_BYTES:
            return False
        self._map[_NOTES + used : _NOTES + end] = note
        # Last, so that a death in between leaves no half of a note.
        words[_USED] = end
        return True

    def notes(self) -> dict[int, bytes]:
        """Read what was noted of the batch in hand.

        Returns:
            Results by place. None when they make no sense: a process that dies may have written anywhere.
        """
        found: dict[int, bytes] = {}
        at, end, last = _NOTES, _NOTES + self._words[_USED], -1
        if end > _SIZE:
            return {}
        while at < end:
            if at + _NOTE.size > end:
                return {}
            place, size = _NOTE.unpack_from(self._map, at)
            at += _NOTE.size + size
            if at > end or place <= last:
                return {}
            found[place] = self._map[at - size : at]
            last = place
        return found

    def wipe(self) -> None:
        """Make room: what was noted has been sent."""
        self._words[_USED] = 0

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
