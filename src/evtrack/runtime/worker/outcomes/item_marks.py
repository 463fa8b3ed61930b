"""Marks of suspects that are not committed yet; the slots that sent them wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.protocol import ItemMark
    from evtrack.runtime.worker.slots.process import SlotProcess


class PendingMark(NamedTuple):
    """A mark, and who waits for it."""

    slot: SlotProcess
    batch: ClaimedBatch
    frame: ItemMark


class ItemMarks:
    """Keeps the mark of each waiting slot until the database has it."""

    def __init__(self) -> None:
        self._by_pid: dict[int, PendingMark] = {}

    def __len__(self) -> int:
        """Count the marks."""
        return len(self._by_pid)

    def __iter__(self) -> Iterator[PendingMark]:
        """Iterate over the marks."""
        return iter(list(self._by_pid.values()))

    def add(self, slot: SlotProcess, frame: ItemMark) -> None:
        """Add the mark of a slot's first batch."""
        self._by_pid[slot.pid] = PendingMark(slot, slot.held[0], frame)

    def remove(self, slot: SlotProcess) -> None:
        """Remove the mark of a slot, if it has one."""
        self._by_pid.pop(slot.pid, None)

    def clear(self) -> None:
        """Remove all marks: other workers have the batches."""
        self._by_pid.clear()
