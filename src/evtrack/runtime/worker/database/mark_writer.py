"""Commits the marks of suspects, for all slots in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.database_errors import ErrorScope, error_scope
from evtrack.domain.errors import EvtrackError, WorkerLost
from evtrack.runtime.worker.database.exchange import HELD, LOST, REFUSED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.runtime.worker.outcomes.item_marks import MarkRequest
    from evtrack.storage.queue.queue import Queue

_STRIKES: Final = 8
"""How often a mark alone is tried before its batch is given up, if it is not clear what is at fault."""

_log = structlog.get_logger()


class MarkWriter:
    """Writes marks; one without an answer is written again, and its slot waits."""

    def __init__(self) -> None:
        self._strikes: dict[tuple[int, int], int] = {}

    def write(self, queue: Queue, marks: Sequence[MarkRequest], answers: dict[tuple[int, int], str]) -> bool:
        """Commit marks.

        Args:
            marks: The marks.
            answers: Gets the answers, even if an error is raised later.

        Returns:
            Whether a batch was given up that the database may still count as this worker's.

        Raises:
            EvtrackError: Some marks were not committed.
        """
        if not marks:
            return False
        try:
            _commit(queue, marks, answers)
        except EvtrackError as error:
            _raise_unless_about_marks(error)
        else:
            self._strikes.clear()
            return False
        errors = [self._write_one(queue, mark, answers) for mark in marks]
        if failure := next(filter(None, errors), None):
            raise failure
        return any(self._strikes.get(mark.key, 0) >= _STRIKES for mark in marks)

    def _write_one(self, queue: Queue, mark: MarkRequest, answers: dict[tuple[int, int], str]) -> EvtrackError | None:
        """Commit one mark, and return the error if it is to be tried again."""
        try:
            _commit(queue, [mark], answers)
        except EvtrackError as error:
            _raise_unless_about_marks(error)
            scope = error_scope(error)
            strikes = self._strikes[mark.key] = self._strikes.get(mark.key, 0) + 1
            if scope is ErrorScope.DATA:
                _log.error(log_names.SLOT_PROTOCOL_ERROR, pid=mark.pid, error=str(error))
                answers[mark.key] = REFUSED
            elif scope is ErrorScope.UNCLEAR and strikes >= _STRIKES:
                answers[mark.key] = LOST
            else:
                return error
        return None


def _raise_unless_about_marks(error: EvtrackError) -> None:
    if error_scope(error) is ErrorScope.SERVER or isinstance(error, WorkerLost):
        raise error


def _commit(queue: Queue, marks: Sequence[MarkRequest], answers: dict[tuple[int, int], str]) -> None:
    verdicts = queue.mark_items([mark.row for mark in marks])
    for mark, verdict in zip(marks, verdicts, strict=True):
        answers[mark.key] = HELD if verdict.verdict == HELD else LOST
    lost = sum(1 for verdict in verdicts if verdict.verdict != HELD)
    if lost:
        _log.warning(log_names.SUSPECTS_LOST, count=lost)
