"""The states of batches and jobs, and the transitions between them, as data."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class BatchStatus(StrEnum):
    """The status of a batch. The labels are those of the SQL type ``evtrack.status``, in its order."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed"
    SPLIT = "split"
    CANCELLED = "cancelled"


class Isolation(StrEnum):
    """How carefully the next attempt of a batch must run; the last level includes all others.

    The labels are those of the SQL type ``evtrack.isolation``, in its order.
    """

    NONE = "none"
    FRESH_SLOT = "fresh_slot"
    """In a slot that has run nothing before."""
    MEMORY = "memory"
    """The worker runs nothing else."""
    MARKED = "marked"
    """A suspect: what begins and what is done is committed item by item."""
    EXCLUSIVE = "exclusive"
    """A suspect that was in hand when a worker died: as marked, and the worker runs nothing else."""


SUSPECTS: Final = frozenset({Isolation.MARKED, Isolation.EXCLUSIVE})
"""Levels of a batch whose worker was lost."""


class JobPhase(StrEnum):
    """The phase of a job. The labels are those of the SQL type ``evtrack.phase``, in its order."""

    OPEN = "open"
    ABANDONED = "abandoned"
    SEALED = "sealed"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class EventType(StrEnum):
    """The type of an event. The labels are those of the SQL type ``evtrack.event_type``, in its order."""

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

FINAL_PHASES: Final = frozenset({_P.FINISHED, _P.CANCELLED})
"""A job in one of these phases accepts no more batches."""


class Lease(StrEnum):
    """How the attempt and the worker of an event must relate to those of the batch."""

    TAKE = "take"
    """The next attempt, by a worker."""
    HOLD = "hold"
    """The attempt and the worker that hold the batch."""
    ATTEMPT = "attempt"
    """The current attempt, whoever appends the event."""
    PAST = "past"
    """The current attempt or an earlier one."""


class BatchTransition(NamedTuple):
    """A transition of a batch: a row of ``evtrack.batch_transitions()``.

    ``before`` is None for a batch that does not exist yet. ``moved`` is whether the event must move some items to other
    batches, or None if it may. ``derived`` is whether the batch must be derived from another.
    """

    type: EventType
    before: BatchStatus | None
    after: BatchStatus
    lease: Lease | None = None
    moved: bool | None = None
    derived: bool = False


class JobTransition(NamedTuple):
    """A transition of a job. If ``suspended`` is not None, the job must have that value, and the event inverts it."""

    type: EventType
    before: JobPhase | None
    after: JobPhase
    suspended: bool | None = None


_LIVE = (_B.PENDING, _B.FAILED, _B.CRASHED)
_UNFINISHED = (_P.OPEN, _P.ABANDONED, _P.SEALED)

BATCH_TRANSITIONS: Final = (
    BatchTransition(_E.ENQUEUED, None, _B.PENDING),
    BatchTransition(_E.STARTED, _B.PENDING, _B.RUNNING, Lease.TAKE),
    BatchTransition(_E.COMPLETED, _B.RUNNING, _B.COMPLETED, Lease.HOLD, moved=False),
    # Some items are done and the others were moved, perhaps because the slot crashed.
    BatchTransition(_E.COMPLETED, _B.RUNNING, _B.COMPLETED, Lease.HOLD, moved=True),
    BatchTransition(_E.COMPLETED, _B.CRASHED, _B.COMPLETED, Lease.HOLD, moved=True),
    BatchTransition(_E.FAILED, _B.RUNNING, _B.FAILED, Lease.HOLD),
    # A batch that was derived from a failed or crashed one may have no budget left.
    BatchTransition(_E.FAILED, _B.PENDING, _B.FAILED, Lease.ATTEMPT, derived=True),
    BatchTransition(_E.CRASHED, _B.RUNNING, _B.CRASHED, Lease.HOLD),
    BatchTransition(_E.CRASHED, _B.PENDING, _B.CRASHED, Lease.ATTEMPT, derived=True),
    BatchTransition(_E.REQUEUED, _B.RUNNING, _B.PENDING, Lease.HOLD),
    BatchTransition(_E.REQUEUED, _B.FAILED, _B.PENDING, Lease.ATTEMPT),
    BatchTransition(_E.REQUEUED, _B.CRASHED, _B.PENDING, Lease.ATTEMPT),
    BatchTransition(_E.SPLIT, _B.RUNNING, _B.SPLIT, Lease.ATTEMPT, moved=False),
    *(BatchTransition(_E.SPLIT, each, _B.SPLIT, Lease.ATTEMPT, moved=False) for each in _LIVE),
    # Some items move, and the batch keeps its status and the rest. A running batch cannot: its worker has all items.
    *(BatchTransition(_E.SPLIT, each, each, Lease.ATTEMPT, moved=True) for each in _LIVE),
    *(BatchTransition(_E.CANCELLED, each, _B.CANCELLED) for each in _LIVE),
    # A rejected report is logged, but changes only the version.
    *(BatchTransition(_E.LATE_RESULT, each, each, Lease.PAST) for each in _B),
)
"""The state machine of a batch. ``evtrack.batch_transitions()`` has the same rows, and a test compares them."""

JOB_TRANSITIONS: Final = (
    JobTransition(_E.CREATED, None, _P.OPEN),
    JobTransition(_E.EXTENDED, _P.OPEN, _P.OPEN),
    *(JobTransition(_E.NOTED, each, each) for each in (_P.OPEN, _P.SEALED)),
    JobTransition(_E.SEALED, _P.OPEN, _P.SEALED),
    *(JobTransition(_E.SUSPENDED, each, each, suspended=False) for each in _UNFINISHED),
    *(JobTransition(_E.RESUMED, each, each, suspended=True) for each in _P),
    *(JobTransition(_E.CANCELLED, each, _P.CANCELLED) for each in _UNFINISHED),
    JobTransition(_E.ABANDONED, _P.OPEN, _P.ABANDONED),
    *(JobTransition(_E.RECLAIMED, each, _P.OPEN) for each in (_P.OPEN, _P.ABANDONED)),
    JobTransition(_E.FINISHED, _P.SEALED, _P.FINISHED),
    JobTransition(_E.REOPENED, _P.FINISHED, _P.SEALED),
)
"""The state machine of a job's own stream, as ``evtrack.job_transitions()`` has it."""
