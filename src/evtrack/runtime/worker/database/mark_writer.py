"""Commits the marks of suspects, for all slots in one statement, and lets the slots go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.crash import CrashCause
from evtrack.runtime.worker.database.outcome_writer import REJECTIONS, is_temporary
from evtrack.storage.queue.records import SuspectMark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.runtime.worker.dispatcher import Dispatcher
    from evtrack.runtime.worker.outcomes.item_marks import PendingMark
    from evtrack.storage.queue.queue import Queue

_HELD: Final = "held"
_log = structlog.get_logger()


class MarkWriter:
    """Writes marks; one that is not committed is written again, and its slot waits.

    Args:
        dispatcher: Keeps the marks, and drops batches that other workers have.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def write(self, queue: Queue) -> None:
        """Commit all marks."""
        marks = list(self._dispatcher.marks)
        if not marks:
            return
        try:
            self._commit(queue, marks)
        except REJECTIONS as error:
            if is_temporary(error):
                raise
            for mark in marks:
                self._commit_one(queue, mark)

    def _commit_one(self, queue: Queue, mark: PendingMark) -> None:
        """Commit one mark, or end its slot: a mark that the database rejects would be rejected again."""
        try:
            self._commit(queue, [mark])
        except REJECTIONS as error:
            if is_temporary(error):
                raise
            _log.error(log_names.SLOT_PROTOCOL_ERROR, pid=mark.slot.pid, error=str(error))
            self._dispatcher.marks.remove(mark.slot)
            mark.slot.kill(reason=CrashCause.PROTOCOL)

    def _commit(self, queue: Queue, marks: Sequence[PendingMark]) -> None:
        verdicts = queue.mark_items([_row(mark) for mark in marks])
        lost = set()
        for mark, verdict in zip(marks, verdicts, strict=True):
            self._dispatcher.marks.remove(mark.slot)
            if verdict.verdict == _HELD:
                mark.slot.page.permit = mark.frame.number
            else:
                lost.add(mark.batch.key)
        if lost:
            _log.warning(log_names.SUSPECTS_LOST, count=len(lost))
            self._dispatcher.drop(lost)


def _row(mark: PendingMark) -> SuspectMark:
    batch, frame = mark.batch, mark.frame
    ordinals = batch.ordinal_list()
    return SuspectMark(
        batch=batch.key,
        done=None if frame.done is None else ordinals[frame.done],
        line=frame.line or None,
        in_hand=0 if frame.begins is None else ordinals[frame.begins],
        exclusive=batch.is_suspect and batch.runs_alone,
    )
