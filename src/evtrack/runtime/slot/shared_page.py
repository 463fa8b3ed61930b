"""A page of memory shared by slot and supervisor: current batch and what is done, readable even after kill -9."""

import math
import mmap
import os
import time
from pathlib import Path
from typing import Final

from evtrack.runtime.slot.page.assigned_batches import ASSIGNED_BYTES, AssignedBatches
from evtrack.runtime.slot.page.item_results import pack_result, read_spilled, spill, unpack_results
from evtrack.runtime.slot.page.outcome_ring import RING_BYTES, OutcomeRing
from evtrack.runtime.slot.page.page_memory import create_file, create_memory
from evtrack.runtime.slot.page.word import Word

RESULT_BYTES: Final = 1 << 16
"""Room for the results of completed items, until they are sent or their batch ends."""

# Regions of the page, in this order: words, results of items, completed batches, assigned batches.
_RESULTS: Final = 256
_OUTCOMES: Final = _RESULTS + RESULT_BYTES
_ASSIGNED: Final = _OUTCOMES + RING_BYTES
PAGE_BYTES: Final = _ASSIGNED + ASSIGNED_BYTES

# Eight-byte words; each is written as a whole, so the other process never reads half of one.
_SEQ: Final = 0
_ITEM: Final = 1
_BEGUN: Final = 2
_BEAT: Final = 3
_LIMIT: Final = 4
_USED: Final = 5
_COMMAND: Final = 6
_PERMIT: Final = 7
_ENDED: Final = 8
_WHOLE: Final = 9
_PID: Final = 10
_ITEM_BEGUN: Final = 11
_RECYCLE: Final = 12
_SPILLED: Final = 13
_SPILLED_SEQ: Final = 14

_WAITING: Final = math.inf
"""Instead of the time at which the batch began: the slot waits for a permit."""

NO_LIMIT: Final = 2**64 - 1


class SharedPage:
    """Shared memory: the slot writes what it runs, the supervisor writes how far it may go.

    As a file it outlives both, and the next worker on the host reads what they ran.

    Times are ``time.monotonic()``, the same clock in all processes of a machine.

    Args:
        fd: Descriptor of the shared memory; it stays open until `close`.
    """

    __slots__ = (
        *("_floats", "_map", "_words"),
        *("assigned", "closed_at", "command_usage", "fd", "outcomes", "spilled_results"),
    )

    permit = Word(_PERMIT)
    """Number of the last mark in this slot's life that is committed: the slot may go on from there."""
    limit = Word(_LIMIT)
    """Highest sequence number that the slot may begin."""
    recycle_rss = Word(_RECYCLE)
    """Memory above which the slot exits between two batches; 0 for never."""
    command_pid = Word(_COMMAND)
    """Process of the command that the slot runs; 0 while it runs none."""
    slot_pid = Word(_PID)
    """The slot's process; 0 until it is known."""

    def __init__(self, fd: int, *, content: bytearray | None = None) -> None:
        self.fd = fd
        self.closed_at: float | None = None
        """Monotonic time at which it was closed here; None before."""
        self.spilled_results: dict[int, bytes] = {}
        """Results of the current batch that no longer fit on the page, when it was read after a death."""
        self._map: mmap.mmap | bytearray = mmap.mmap(fd, PAGE_BYTES) if content is None else content
        self._words = memoryview(self._map)[:_RESULTS].cast("Q")
        self._floats = memoryview(self._map)[:_RESULTS].cast("d")
        self.assigned = AssignedBatches(self._map, _ASSIGNED)
        """Which batches the slot got."""
        self.outcomes = OutcomeRing(self._map, _OUTCOMES)
        """Completed batches, those not sent yet and those sent last."""
        self.command_usage = (0, 0, 0.0)
        """In the slot: sequence number, peak memory and CPU time of the last batch that a command ran."""

    @classmethod
    def create(cls, path: Path | None = None) -> "SharedPage":
        """Create an empty page that a child process can inherit.

        Args:
            path: The file to create, locked until all processes that have the page are gone; None for no file.

        Returns:
            The page, without a current batch and without a limit.
        """
        fd = create_memory(PAGE_BYTES) if path is None else create_file(path, PAGE_BYTES)
        page = cls(fd)
        page.limit = NO_LIMIT
        return page

    @classmethod
    def read(cls, fd: int) -> "SharedPage":
        """Read the page that dead processes left in a file.

        Args:
            fd: The file, which stays open.

        Returns:
            A copy of the page.

        Raises:
            ValueError: The file is not a page.
        """
        content = bytearray(os.pread(fd, PAGE_BYTES, 0))
        if len(content) != PAGE_BYTES:
            raise ValueError(f"a shared page has {PAGE_BYTES} bytes, not {len(content)}")
        page = cls(-1, content=content)
        words = page._words
        if words[_SPILLED] and words[_SPILLED_SEQ] == words[_SEQ]:
            page.spilled_results = read_spilled(fd, PAGE_BYTES, words[_SPILLED])
        return page

    def begin(self, seq: int, now: float) -> None:
        """Record that a batch begins.

        Args:
            seq: Its sequence number in this slot's life, from 1.
            now: The monotonic clock.
        """
        floats = self._floats
        floats[_BEGUN] = floats[_BEAT] = now
        words = self._words
        words[_USED] = words[_ITEM] = words[_WHOLE] = 0
        words[_SEQ] = seq

    def undo_begin(self) -> None:
        """Undo `begin`: the batch was never started."""
        self._words[_SEQ] -= 1

    def begin_whole(self) -> None:
        """Record that the handler gets the whole batch at once: no item of it is done before the batch is."""
        self._words[_WHOLE] = 1

    def end(self) -> None:
        """Record that the batch has ended without an entry among the completed ones: none of its items is to blame."""
        self._words[_ENDED] = self._words[_SEQ]

    def begin_item(self, index: int) -> None:
        """Record the current item of the batch.

        Args:
            index: Its index in the batch, from 0.
        """
        self._words[_ITEM] = index + 1
        floats = self._floats
        floats[_ITEM_BEGUN] = floats[_BEAT] = time.monotonic()

    def end_items(self) -> None:
        """Record that the handler works on no single item."""
        self._words[_ITEM] = 0

    def wait(self) -> float:
        """Record that the slot waits for a permit: it works on no item, and its time does not count.

        Returns:
            When the batch began, for `go_on`.
        """
        begun_at = self.begun_at
        self._words[_ITEM] = 0
        self._floats[_BEGUN] = _WAITING
        return begun_at

    def go_on(self, begun_at: float) -> None:
        """Record that the slot has its permit.

        Args:
            begun_at: When the batch began, moved by the time that the slot has waited.
        """
        self.beat()
        self._floats[_BEGUN] = begun_at

    def add_result(self, index: int, line: bytes) -> bool:
        """Record that an item of the batch is completed, with its result.

        Args:
            index: Its index in the batch, from 0.
            line: Its result, a line of JSON; empty when there is none.

        Returns:
            Whether there was room.
        """
        words = self._words
        used = words[_USED]
        entry = pack_result(index, line)
        end = used + len(entry)
        if end > RESULT_BYTES:
            return False
        self._map[_RESULTS + used : _RESULTS + end] = entry
        # Last, so that a death in between leaves no partial entry.
        words[_USED] = end
        return True

    def results(self) -> dict[int, bytes]:
        """Read the results of the current batch's completed items.

        Returns:
            Results by index; empty when they are inconsistent: a dying process may have written anywhere.
        """
        end = _RESULTS + self._words[_USED]
        return unpack_results(self._map, _RESULTS, end) if end <= _OUTCOMES else {}

    def spill_results(self, index: int, line: bytes) -> None:
        """Move the results behind the page, and add another: they have been sent, but may not be in the database yet.

        Args:
            index: Index of the item whose result did not fit on the page.
            line: Its result.
        """
        words = self._words
        entries = bytes(self._map[_RESULTS : _RESULTS + words[_USED]]) + pack_result(index, line)
        used = words[_SPILLED] if words[_SPILLED_SEQ] == words[_SEQ] else 0
        words[_SPILLED] = spill(self.fd, PAGE_BYTES, used, entries)
        words[_SPILLED_SEQ], words[_USED] = words[_SEQ], 0

    def beat(self) -> None:
        """Record a sign of life."""
        self._floats[_BEAT] = time.monotonic()

    def postpone(self, seconds: float) -> None:
        """Move the times of the current batch and item: the slot stood still that long.

        Args:
            seconds: How long.
        """
        seq, floats = self.seq, self._floats
        for place in (_BEGUN, _ITEM_BEGUN, _BEAT):
            floats[place] += seconds
        if self.seq != seq:  # another batch has begun meanwhile
            floats[_BEGUN] = floats[_ITEM_BEGUN] = floats[_BEAT] = time.monotonic()

    @property
    def seq(self) -> int:
        """Sequence number of the batch that began last; 0 before the first."""
        return self._words[_SEQ]

    @property
    def item(self) -> int | None:
        """Index of the current item, or None when the handler has the whole batch."""
        return self._words[_ITEM] - 1 if self._words[_ITEM] else None

    @property
    def is_waiting(self) -> bool:
        """Whether the slot waits for a permit, so that no item is in hand."""
        return self._floats[_BEGUN] == _WAITING

    @property
    def is_whole(self) -> bool:
        """Whether the handler has the whole batch at once."""
        return bool(self._words[_WHOLE])

    @property
    def has_ended(self) -> bool:
        """Whether the batch that began last has ended without an entry among the completed ones, or none has begun."""
        return self._words[_ENDED] == self._words[_SEQ]

    @property
    def begun_at(self) -> float:
        """Monotonic time at which the batch began, waits for permits not counted."""
        begun_at = self._floats[_BEGUN]
        return time.monotonic() if begun_at == _WAITING else begun_at

    @property
    def item_begun_at(self) -> float:
        """Monotonic time at which the current item began; that of an earlier item when there is none."""
        return self._floats[_ITEM_BEGUN]

    @property
    def beat_at(self) -> float:
        """Monotonic time of the last sign of life."""
        return time.monotonic() if self.is_waiting else self._floats[_BEAT]

    def close(self) -> None:
        """Release the memory and its descriptor; a file stays."""
        for view in (self._words, self._floats, self.outcomes):
            view.release()
        if isinstance(self._map, mmap.mmap):
            self._map.close()
            os.close(self.fd)
        self.closed_at = time.monotonic()
