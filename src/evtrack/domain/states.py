"""The states of batches and jobs, and what each event makes of them, as data."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class BatchStatus(StrEnum):
    """Where a batch stands. The labels are those of the SQL type ``evtrack.status``, in its order."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed"
    SPLIT = "split"
    CANCELLED = "cancelled"


class JobPhase(StrEnum):
    """Where a job stands. The labels are those of the SQL type ``evtrack.phase``, in its order."""

    OPEN = "open"
    ABANDONED = "abandoned"
    SEALED = "sealed"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class EventType(StrEnum):
    """What happened. The labels are those of the SQL type ``evtrack.event_type``, in its order."""

    ENQUEUED = "enqueued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed"
    REQUEUED = "requeued"
    SPLIT = "split"
    CANCELLED = "cancelled"
    LATE_RESULT = "late_result"
    CREATED = "created"
    EXTENDED = "extended"
    NOTED = "noted"
    SEALED = "sealed"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    ABANDONED = "abandoned"
    RECLAIMED = "reclaimed"
    REOPENED = "reopened"
    FINISHED = "finished"


_B = BatchStatus
_P = JobPhase
_E = EventType

FINAL_STATUSES: Final = frozenset({_B.COMPLETED, _B.FAILED, _B.CRASHED, _B.SPLIT, _B.CANCELLED})
"""A batch in one of these is done with, unless a person's retry brings it back."""

FINAL_PHASES: Final = frozenset({_P.FINISHED, _P.CANCELLED})
"""A job in one of these takes no more batches."""

BATCH_TRANSITIONS: Final[Mapping[EventType, Mapping[BatchStatus | None, BatchStatus]]] = {
    _E.ENQUEUED: {None: _B.PENDING},
    _E.STARTED: {_B.PENDING: _B.RUNNING},
    # From crashed: the slot died, but some items were done and the others moved away.
    _E.COMPLETED: {_B.RUNNING: _B.COMPLETED, _B.CRASHED: _B.COMPLETED},
    # From pending: a derived batch whose budget is spent is born failed, or crashed.
    _E.FAILED: {_B.RUNNING: _B.FAILED, _B.PENDING: _B.FAILED},
    _E.CRASHED: {_B.RUNNING: _B.CRASHED, _B.PENDING: _B.CRASHED},
    _E.REQUEUED: {_B.RUNNING: _B.PENDING, _B.FAILED: _B.PENDING, _B.CRASHED: _B.PENDING},
    _E.SPLIT: {_B.RUNNING: _B.SPLIT, _B.FAILED: _B.SPLIT, _B.CRASHED: _B.SPLIT, _B.PENDING: _B.SPLIT},
    _E.CANCELLED: {_B.PENDING: _B.CANCELLED, _B.FAILED: _B.CANCELLED, _B.CRASHED: _B.CANCELLED},
    # A refused result is a fact worth keeping and changes nothing but the version.
    _E.LATE_RESULT: {status: status for status in _B},
}
"""Batch event -> status before -> status after; ``None`` is a batch that does not exist yet."""

LEASED: Final = frozenset({_E.COMPLETED, _E.FAILED, _E.CRASHED, _E.REQUEUED})
"""From running, these take effect only for the worker and the attempt that hold the batch."""

JOB_TRANSITIONS: Final[Mapping[EventType, Mapping[JobPhase | None, JobPhase]]] = {
    _E.CREATED: {None: _P.OPEN},
    _E.EXTENDED: {_P.OPEN: _P.OPEN},
    _E.NOTED: {phase: phase for phase in (_P.OPEN, _P.SEALED)},
    _E.SEALED: {_P.OPEN: _P.SEALED},
    _E.SUSPENDED: {phase: phase for phase in (_P.OPEN, _P.ABANDONED, _P.SEALED)},
    _E.RESUMED: {phase: phase for phase in _P},
    _E.CANCELLED: dict.fromkeys((_P.OPEN, _P.ABANDONED, _P.SEALED), _P.CANCELLED),
    _E.ABANDONED: {_P.OPEN: _P.ABANDONED},
    _E.RECLAIMED: {_P.OPEN: _P.OPEN, _P.ABANDONED: _P.OPEN},
    _E.REOPENED: {_P.FINISHED: _P.SEALED},
    _E.FINISHED: {_P.SEALED: _P.FINISHED},
}
"""Job event -> phase before -> phase after; ``None`` is a job that does not exist yet."""
