"""Folds the events of a job's own stream, which has batch number 0, into the job's state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from evtrack.domain import events as ev
from evtrack.domain.errors import IllegalEvent
from evtrack.domain.states import JOB_TRANSITIONS, EventType, JobPhase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from evtrack.domain.policy import Policy
    from evtrack.domain.stored_event import StoredEvent

_STEPS: Final = {(step.type, step.before): step for step in JOB_TRANSITIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """The state of a job after its own events: a row of ``evtrack.job``.

    ``batch_count`` counts the submitted batches. In the row it includes batches that were derived from others, whose
    events are in other streams.
    """

    handler: str
    name: str | None
    priority: int
    phase: JobPhase
    suspended: bool
    version: int
    policy: Policy
    source: Mapping[str, Any]
    position: Mapping[str, Any] | None
    bytes_read: int
    bytes_total: int | None
    batch_count: int
    item_count: int
    invalid_count: int
    note_count: int
    submitter: UUID | None
    created_at: datetime
    extended_at: datetime | None = None
    sealed_at: datetime | None = None
    finished_at: datetime | None = None
    cancelled_at: datetime | None = None


def evolve_job(job: JobState | None, stored: StoredEvent) -> JobState:
    """Apply one event of a job's own stream.

    Args:
        job: The job before the event; None before its first event.
        stored: The event.

    Returns:
        The job after the event.

    Raises:
        IllegalEvent: The event is not a transition of the job.
    """
    due = 1 if job is None else job.version + 1
    if stored.version != due:
        raise _illegal(stored, f"the next version is {due}")
    before = None if job is None else job.phase
    step = _STEPS.get((stored.type, before))
    if step is None or (job is not None and step.suspended not in {None, job.suspended}):
        raise _illegal(stored, f"the job is {before}" if before else "there is no such job")
    if isinstance(stored.event, ev.Created):
        return _created(stored, stored.event)
    # The transitions allow no other first event, so there is a job.
    return replace(_changed(cast("JobState", job), stored), phase=step.after, version=stored.version)


def _created(stored: StoredEvent, event: ev.Created) -> JobState:
    return JobState(
        handler=event.handler,
        name=event.name,
        priority=event.priority,
        phase=JobPhase.OPEN,
        suspended=False,
        version=1,
        policy=event.policy,
        source=event.source,
        position=None,
        bytes_read=0,
        bytes_total=event.bytes_total,
        batch_count=0,
        item_count=0,
        invalid_count=0,
        note_count=0,
        submitter=event.submitter,
        created_at=stored.at,
    )


def _changed(job: JobState, stored: StoredEvent) -> JobState:
    match stored.event:
        case ev.Extended() as event:
            return replace(
                job,
                batch_count=job.batch_count + event.batches,
                item_count=job.item_count + event.items,
                invalid_count=job.invalid_count + event.invalid,
                position=job.position if event.position is None else event.position,
                bytes_read=job.bytes_read if event.bytes_read is None else event.bytes_read,
                extended_at=stored.at,
            )
        case ev.Noted() as event:
            return replace(job, note_count=job.note_count + event.total)
        case ev.Reclaimed() as event:
            return replace(job, submitter=event.submitter)
        case ev.Sealed():
            return replace(job, sealed_at=stored.at)
        case ev.Finished():
            return replace(job, finished_at=stored.at)
        case ev.Reopened():
            return replace(job, finished_at=None)
        case ev.Cancelled():
            return replace(job, cancelled_at=stored.at)
        case ev.Suspended() | ev.Resumed():
            return replace(job, suspended=stored.type is EventType.SUSPENDED)
        case _:
            return job


def _illegal(stored: StoredEvent, reason: str) -> IllegalEvent:
    return IllegalEvent(f"job {stored.job_id}, version {stored.version}: {stored.type} is refused: {reason}")
