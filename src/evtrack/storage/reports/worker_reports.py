"""Reports on workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evtrack.domain.alerts.thresholds import Thresholds
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows

_USUAL = Thresholds()


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A row of evtrack.worker_status."""

    worker_id: int
    name: str
    state: str
    host: str
    pid: int
    handlers: list[str]
    slots: int
    busy: int
    version: str
    started_at: datetime
    seen_at: datetime
    silent_s: float
    in_hand: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class LostWorker:
    """How a worker was lost: when and why, how many batches it held, and how many others offer its handlers now."""

    worker_id: int
    name: str
    host: str
    pid: int
    handlers: list[str]
    seen_at: datetime
    lost_at: datetime
    why: str | None
    batches: int | None
    others: int


@dataclass(frozen=True, slots=True)
class RunningItem:
    """A row of evtrack.running_item: what a slot has in hand, and how long others of its handler ran."""

    job_id: int
    batch_no: int
    attempt: int
    worker_id: int
    worker: str
    host: str
    slot: int | None
    handler: str
    item_key: str | None
    ordinal: int | None
    item_count: int
    begun_at: datetime
    running_s: float
    known_attempts: int
    p50_s: float | None
    p99_s: float | None

    @property
    def runs_long(self) -> bool:
        """Whether it has run for a minute, and ten times as long as 99 of 100 others, as for the alert by default."""
        usual_s = self.p99_s if self.known_attempts >= _USUAL.least_attempts else None
        return usual_s is not None and self.running_s > max(_USUAL.runs_long_s, _USUAL.runs_long_factor * usual_s)


def running_items(
    conn: Connection,
    *,
    limit: int,
    job_id: int | None = None,
    batch_no: int | None = None,
    worker_id: int | None = None,
) -> list[RunningItem]:
    """Read what slots have had in hand for over a second, the longest first.

    Args:
        limit: How many at most.
        job_id: Only of this job; None for all.
        batch_no: Only of this batch of the job; None for all.
        worker_id: Only in hand of this worker; None for all.
    """
    only = {"job_id": job_id, "batch_no": batch_no, "worker_id": worker_id}
    return rows(conn, RunningItem, "running_items", limit=limit, **only)


def live_workers(conn: Connection, *, limit: int = 1000) -> list[WorkerRow]:
    """Read the workers that are neither stopped nor lost."""
    return rows(conn, WorkerRow, "live_workers", limit=limit)


def workers(
    conn: Connection,
    *,
    limit: int,
    every: bool = True,
    worker_ids: Sequence[int] | None = None,
    handler: str | None = None,
) -> list[WorkerRow]:
    """Read the latest workers.

    Args:
        limit: How many at most.
        every: Whether stopped and lost ones count too.
        worker_ids: Only those with these numbers; None for all.
        handler: Only those that offer this handler; None for all.

    Returns:
        Their rows, the latest first.
    """
    values = {"every": every, "worker_ids": worker_ids and list(worker_ids), "handler": handler}
    return rows(conn, WorkerRow, "workers", limit=limit, **values)


def workers_by_id(conn: Connection, worker_ids: Sequence[int]) -> list[WorkerRow]:
    """Read the workers with these numbers, in any state."""
    return rows(conn, WorkerRow, "workers_by_id", worker_ids=list(worker_ids))


def lost_workers(conn: Connection, worker_ids: Sequence[int]) -> list[LostWorker]:
    """Read how workers were lost.

    Args:
        worker_ids: Which workers; those that were not lost are left out.
    """
    return rows(conn, LostWorker, "lost_workers", worker_ids=list(worker_ids))
