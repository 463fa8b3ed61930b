"""Folds the events of a batch into its state. The fold in SQL is tested against this one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from evtrack.domain import events as ev
from evtrack.domain.crash import CrashCause
from evtrack.domain.errors import IllegalEvent
from evtrack.domain.states import BATCH_TRANSITIONS, BatchStatus, BatchTransition, Isolation, Lease

if TYPE_CHECKING:
    from datetime import datetime

    from evtrack.domain.ordinals import Ordinals
    from evtrack.domain.stored_event import StoredEvent

MAX_ERROR_CHARACTERS: Final = 300
"""Length of an error in the projection; the event has the whole text."""

_STEPS: Final = {
    (step.type, step.before, moves): step
    for step in BATCH_TRANSITIONS
    for moves in ((False, True) if step.moved is None else (step.moved,))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """The state of a batch after its events: a row of ``evtrack.batch``."""

    status: BatchStatus
    version: int
    attempt: int
    fresh: bool
    run_at: datetime | None
    item_count: int
    weight: int
    ordinals: Ordinals
    root_no: int | None
    parent_no: int | None
    errors: int
    crashes: int
    losses: int
    exclusive_losses: int = 0
    isolation: Isolation = Isolation.NONE
    enqueued_at: datetime
    worker_id: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    run_s: float | None = None
    error: str | None = None


def evolve_batch(batch: BatchState | None, stored: StoredEvent) -> BatchState:
    """Apply one event.

    Args:
        batch: The batch before the event; None before its first event.
        stored: The event.

    Returns:
        The batch after the event.

    Raises:
        IllegalEvent: The event is not a transition of the batch.
    """
    step = _step(batch, stored)
    if isinstance(stored.event, ev.Enqueued):
        return _enqueued(stored, stored.event)
    # The transitions allow no other first event, so there is a batch.
    return replace(_changed(cast("BatchState", batch), stored), status=step.after, version=stored.version)


def _step(batch: BatchState | None, stored: StoredEvent) -> BatchTransition:
    before = None if batch is None else batch.status
    due = 1 if batch is None else batch.version + 1
    if stored.version != due:
        raise _illegal(stored, f"the next version is {due}")
    moves = isinstance(stored.event, ev.Completed | ev.Split) and stored.event.moved is not None
    step = _STEPS.get((stored.type, before, moves))
    if step is None:
        raise _illegal(stored, f"the batch is {before}" if before else "there is no such batch")
    if batch is not None:
        _check_lease(batch, stored, step.lease)
        if step.derived and batch.root_no is None:
            raise _illegal(stored, f"only a derived batch begins as {step.after}")
    return step


def _check_lease(batch: BatchState, stored: StoredEvent, lease: Lease | None) -> None:
    legal = {
        None: True,
        Lease.TAKE: stored.attempt == batch.attempt + 1 and stored.worker_id is not None,
        Lease.HOLD: stored.attempt == batch.attempt and stored.worker_id == batch.worker_id,
        Lease.ATTEMPT: stored.attempt == batch.attempt,
        Lease.PAST: stored.attempt <= batch.attempt,
    }
    if not legal[lease]:
        raise _illegal(stored, f"the batch has had {batch.attempt} attempts, the last by worker {batch.worker_id}")


def _enqueued(stored: StoredEvent, event: ev.Enqueued) -> BatchState:
    derived = event.root is not None
    return BatchState(
        status=BatchStatus.PENDING,
        version=1,
        attempt=stored.attempt,
        fresh=not derived,
        run_at=(event.run_at or stored.at) if derived else None,
        item_count=event.items,
        weight=event.weight,
        ordinals=event.ordinals,
        root_no=event.root,
        parent_no=event.parent,
        errors=event.errors,
        crashes=event.crashes,
        losses=event.losses,
        exclusive_losses=event.exclusive_losses if derived else 0,
        isolation=event.isolation if derived else Isolation.NONE,
        enqueued_at=stored.at,
        error=event.error,
    )


def _changed(batch: BatchState, stored: StoredEvent) -> BatchState:
    match stored.event:
        case ev.Started():
            return replace(
                batch,
                attempt=stored.attempt,
                worker_id=stored.worker_id,
                fresh=False,
                run_at=None,
                started_at=stored.at,
                finished_at=None,
            )
        case ev.Completed() as event:
            return _completed(_ended(batch, stored), event)
        case ev.Failed() as event:
            message = event.error.message if isinstance(event.error, ev.Failure) else None
            return replace(
                _ended(batch, stored),
                errors=batch.errors + 1,
                run_s=batch.run_s if event.run_s is None else event.run_s,
                error=(batch.error if message is None else message[:MAX_ERROR_CHARACTERS]),
            )
        case ev.Crashed() as event:
            lost = event.cause == CrashCause.WORKER_LOST
            return replace(
                _ended(batch, stored),
                crashes=batch.crashes + (not lost and event.blame != "none"),
                losses=batch.losses + lost,
                exclusive_losses=batch.exclusive_losses + (lost and event.exclusive is True),
                run_s=batch.run_s if event.run_s is None else event.run_s,
                error=_crash_line(event),
            )
        case ev.Requeued() as event:
            kept = batch if event.isolation is None else replace(batch, isolation=event.isolation)
            if event.reset:
                kept = replace(batch, errors=0, crashes=0, losses=0, exclusive_losses=0, isolation=Isolation.NONE)
            return replace(kept, fresh=False, run_at=event.run_at or stored.at, finished_at=None)
        case ev.Split(moved=moved) as event if moved is not None:
            return replace(
                batch, item_count=batch.item_count - (event.moved_items or 0), ordinals=batch.ordinals - moved
            )
        case event:
            return batch if isinstance(event, ev.LateResult) else _ended(batch, stored)


def _ended(batch: BatchState, stored: StoredEvent) -> BatchState:
    return replace(batch, fresh=False, run_at=None, finished_at=stored.at)


def _completed(batch: BatchState, event: ev.Completed) -> BatchState:
    if event.moved is None:
        return replace(batch, run_s=event.run_s, error=None)
    return replace(
        batch,
        run_s=batch.run_s if event.run_s is None else event.run_s,
        error=None,
        item_count=batch.item_count - (event.moved_items or 0),
        ordinals=batch.ordinals - event.moved,
    )


def _crash_line(event: ev.Crashed) -> str:
    # Where a limit is the cause, the signal is only how it was enforced.
    how = event.signal if event.cause in {CrashCause.SIGNAL, CrashCause.UNKNOWN} and event.signal else event.cause
    code = None if event.exit_code is None else str(event.exit_code)
    item = None if event.item_key is None else f"at {event.item_key}"
    return " ".join(part for part in (how, code, item) if part is not None)[:MAX_ERROR_CHARACTERS]


def _illegal(stored: StoredEvent, reason: str) -> IllegalEvent:
    return IllegalEvent(
        f"job {stored.job_id}, batch {stored.batch_no}, version {stored.version}: {stored.type} is refused: {reason}"
    )
