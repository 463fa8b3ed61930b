"""The meaning of the log: what a stream of events makes of a batch. The SQL fold is tested against it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from evtrack.domain import events as ev
from evtrack.domain.crash import CrashCause
from evtrack.domain.errors import IllegalEvent
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import BATCH_TRANSITIONS, LEASED, BatchStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from evtrack.domain.events import StoredEvent

ERROR_BOUND: Final = 500
"""Characters of an error that the projection shows; the event has all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as its events have made it: a row of ``evtrack.batch``."""

    status: BatchStatus
    version: int
    attempt: int
    fresh: bool
    run_at: datetime | None
    worker_id: int | None
    item_count: int
    weight: int
    ordinals: Ordinals
    root_no: int | None
    parent_no: int | None
    errors: int
    crashes: int
    losses: int
    enqueued_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    run_s: float | None = None
    error: str | None = None


def fold(events: Iterable[StoredEvent]) -> Batch | None:
    """Fold a batch's whole stream.

    Args:
        events: Its events in the order of their versions.

    Returns:
        The batch, or None when there are no events.

    Raises:
        IllegalEvent: An event does not follow from those before it.
    """
    batch = None
    for event in events:
        batch = evolve(batch, event)
    return batch


def evolve(batch: Batch | None, stored: StoredEvent) -> Batch:
    """Apply one event.

    Args:
        batch: The batch so far; None before its first event.
        stored: What happened next.

    Returns:
        The batch after it.

    Raises:
        IllegalEvent: The event does not follow from what was there.
    """
    status = _next_status(batch, stored)
    event = stored.event
    if batch is None or isinstance(event, ev.Enqueued):
        return _born(stored)
    return _changed(batch, stored, status)


def _next_status(batch: Batch | None, stored: StoredEvent) -> BatchStatus:
    before = None if batch is None else batch.status
    after = BATCH_TRANSITIONS.get(stored.type, {}).get(before)
    expected_version = 1 if batch is None else batch.version + 1
    if stored.version != expected_version:
        raise _illegal(stored, f"version {stored.version} does not follow version {expected_version - 1}")
    if after is None:
        raise _illegal(stored, f"{stored.type} is not possible for a batch that is {before or 'not there'}")
    if batch is not None:
        _check_lease(batch, stored)
    return after


def _check_lease(batch: Batch, stored: StoredEvent) -> None:
    match stored.event:
        case ev.Started():
            expected = batch.attempt + 1
        case ev.LateResult():
            return
        case _:
            expected = batch.attempt
    if stored.attempt != expected:
        raise _illegal(stored, f"attempt {stored.attempt} is not {expected}")
    if batch.status is BatchStatus.RUNNING and stored.type in LEASED and stored.worker_id != batch.worker_id:
        raise _illegal(stored, f"worker {stored.worker_id} does not hold the batch, worker {batch.worker_id} does")


def _born(stored: StoredEvent) -> Batch:
    event = stored.event
    if not isinstance(event, ev.Enqueued):  # pragma: no cover  the transition table lets nothing else come first
        raise _illegal(stored, "only enqueued begins a stream")
    if len(event.ordinals) != event.items:
        raise _illegal(stored, f"{event.items} items, but its ordinals are {len(event.ordinals)}")
    derived = event.root is not None
    return Batch(
        status=BatchStatus.PENDING,
        version=1,
        attempt=0,
        fresh=not derived,
        run_at=(event.run_at or stored.at) if derived else None,
        worker_id=None,
        item_count=event.items,
        weight=event.weight,
        ordinals=event.ordinals,
        root_no=event.root,
        parent_no=event.parent,
        errors=event.errors,
        crashes=event.crashes,
        losses=event.losses,
        enqueued_at=stored.at,
    )


def _changed(batch: Batch, stored: StoredEvent, status: BatchStatus) -> Batch:
    batch = replace(batch, version=stored.version, status=status)
    match stored.event:
        case ev.Started():
            return replace(
                batch,
                attempt=stored.attempt,
                fresh=False,
                run_at=None,
                worker_id=stored.worker_id,
                started_at=stored.at,
                finished_at=None,
            )
        case ev.Completed() as event:
            return _completed(batch, stored, event)
        case ev.Failed() as event:
            return _over(batch, stored, errors=batch.errors + 1, run_s=event.run_s, error=_failure_text(event))
        case ev.Crashed() as event:
            lost = event.cause == CrashCause.WORKER_LOST
            return _over(
                batch,
                stored,
                crashes=batch.crashes + (not lost),
                losses=batch.losses + lost,
                run_s=event.run_s,
                error=_crash_text(event),
            )
        case ev.Requeued() as event:
            kept = replace(batch, errors=0, crashes=0, losses=0) if event.reset else batch
            return replace(kept, fresh=False, run_at=event.run_at or stored.at, worker_id=None, finished_at=None)
        case ev.Split() | ev.Cancelled():
            return _over(batch, stored)
        case _:
            return batch
