"""Marks of suspects that are not committed yet; the slots that sent them wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evtrack.storage.queue.records import SuspectMark

if TYPE_CHECKING:
    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.protocol import ItemMark
    from evtrack.runtime.worker.slots.process import SlotProcess


class PendingMark(NamedTuple):
    """A mark, and who waits for it."""

    slot: SlotProcess
    batch: ClaimedBatch
    frame: ItemMark


class MarkRequest(NamedTuple):
    """A mark to commit.

    Args:
        pid: The slot that waits for it.
        number: Its number in the slot's life.
        row: What to commit.
    """

    pid: int
    number: int
    row: SuspectMark

    @property
    def key(self) -> tuple[int, int]:
        """What identifies the mark."""
        return self[:2]


class ItemMarks:
    """Keeps the mark of each waiting slot until the database has it."""

    def __init__(self) -> None:
        self._by_pid: dict[int, PendingMark] = {}

    def __len__(self) -> int:
        """Count the marks."""
        return len(self._by_pid)

    def requests(self) -> list[MarkRequest]:
        """List the marks to commit."""
        return [_request(mark) for mark in self._by_pid.values()]

    def add(self, slot: SlotProcess, frame: ItemMark) -> None:
        """Add the mark of a slot's first batch."""
        self._by_pid[slot.pid] = PendingMark(slot, slot.held[0], frame)

    def remove(self, slot: SlotProcess) -> None:
        """Remove the mark of a slot, if it has one."""
        self._by_pid.pop(slot.pid, None)

    def take(self, pid: int, number: int) -> PendingMark | None:
        """Remove a mark that was answered.

        Args:
            pid: The slot's process.
            number: The mark's number.

        Returns:
            The mark, or None when nobody waits for it any more.
        """
        mark = self._by_pid.get(pid)
        return self._by_pid.pop(pid) if mark is not None and mark.frame.number == number else None

    def clear(self) -> None:
        """Remove all marks: other workers have the batches."""
        self._by_pid.clear()


def _request(mark: PendingMark) -> MarkRequest:
    batch, frame = mark.batch, mark.frame
    ordinals = batch.ordinal_list()
    row = SuspectMark(
        batch=batch.key,
        done=None if frame.done is None else ordinals[frame.done],
        line=frame.line or None,
        in_hand=0 if frame.begins is None else ordinals[frame.begins],
        exclusive=batch.is_suspect and batch.runs_alone,
    )
    return MarkRequest(mark.slot.pid, frame.number, row)
