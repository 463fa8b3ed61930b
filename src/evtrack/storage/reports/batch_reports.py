"""Reports on batches: status, crashes, and the whole history of one batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from evtrack.domain.errors import NoSuchJob
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import SUSPECTS
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import mapping, one, rows, value
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.reader import stream
from evtrack.storage.reports.job_reports import job_key
from evtrack.storage.reports.worker_reports import WorkerRow, workers_by_id

_OUTCOMES = 200

LATEST_EVENTS = 200
"""How many events a bounded history has, besides the first."""

TRACED_ITEMS = 2_000
"""The most items, from the first to the last of a batch, of which a bounded history has the outcomes."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row of evtrack.batch_status."""

    job_id: int
    batch_no: int
    status: str
    item_count: int
    weight: int
    attempt: int
    worker: str | None
    enqueued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_s: float | None
    error: str | None
    item_summary: str
    root_no: int | None
    parent_no: int | None
    errors: int
    crashes: int
    losses: int
    exclusive_losses: int
    isolation: str
    run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Crash:
    """A row of evtrack.crash, without the bulk of the crash report."""

    job_id: int
    batch_no: int
    attempt: int
    at: datetime
    cause: str | None
    signal: str | None
    exit_code: int | None
    item_key: str | None
    ordinal: int | None
    worker: str | None
    batch_status: str
    fate: str
    item_summary: str
    poison: bool
    host: str | None
    pid: int | None
    run_s: float | None
    cpu_s: float | None
    peak_rss_bytes: int | None


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """Items that started in one batch and had the same outcome."""

    status: str
    batch_no: int
    path: list[int]
    items: int
    first_keys: list[str]


@dataclass(frozen=True, slots=True)
class BatchHistory:
    """Everything about one batch.

    Args:
        handler: The handler of its job.
        batch: Its status.
        events: Its events, in order.
        workers: The workers that claimed it, by number.
        restored: The names of those that claimed it before its job was restored from an archive; empty if it was not.
        outcomes: The outcomes of the items that it started with.
        lost_worker_id: The worker that was lost last with it, or with its parent, if it is a suspect.
    """

    handler: str
    batch: BatchRow
    events: list[LogRow]
    workers: dict[int, WorkerRow]
    restored: dict[int, str]
    outcomes: list[ItemOutcome]
    lost_worker_id: int | None = None


def batches(conn: Connection, job_id: int, *, limit: int, statuses: Sequence[str] | None = None) -> list[BatchRow]:
    """Read a job's batches in the order of their numbers.

    Args:
        limit: How many at most.
        statuses: Only those of one of these statuses; None for any.
    """
    wanted = None if statuses is None else list(statuses)
    return rows(conn, BatchRow, "batches", job_id=job_id, limit=limit, statuses=wanted)


def batch_row(conn: Connection, job_id: int, batch_no: int) -> BatchRow:
    """Read the status of one batch.

    Raises:
        NoSuchJob: The job has no such batch.
    """
    batch = one(conn, BatchRow, "batch_row", job_id=job_id, batch_no=batch_no)
    if batch is None:
        raise NoSuchJob(f"Job {job_id} has no batch {batch_no}.", hint=f"`evtrack batches {job_id}` lists its batches.")
    return batch


def batch_history(conn: Connection, job_id: int, batch_no: int, *, bounded: bool = False) -> BatchHistory:
    """Read everything about one batch.

    Args:
        bounded: Read only the first event and the latest, and the outcomes of its items only if they are not too many.

    Returns:
        Everything about it.

    Raises:
        NoSuchJob: There is no such job, or it has no such batch.
    """
    key = job_key(conn, job_id)
    batch = batch_row(conn, job_id, batch_no)
    events = stream(conn, key.job_day, job_id, batch_no, latest=LATEST_EVENTS if bounded else None)
    ids = sorted({event.worker_id for event in events if event.worker_id is not None})
    workers = workers_by_id(conn, ids)
    # Restored events have no transaction in this database.
    restored = {} if all(event.xid for event in events) else mapping(conn, "restored_workers", job_id=job_id)
    ordinals = submitted_ordinals(events[0])
    outcomes: list[ItemOutcome] = []
    if not bounded or ordinals.reach <= TRACED_ITEMS:
        outcomes = rows(conn, ItemOutcome, "item_outcomes", job_id=job_id, ordinals=str(ordinals), limit=_OUTCOMES)
    by_id = {worker.worker_id: worker for worker in workers}
    lost_worker_id = None
    if batch.isolation in SUSPECTS:
        numbers = [number for number in (batch_no, batch.parent_no) if number is not None]
        lost_worker_id = value(conn, "last_loss", job_id=job_id, batch_nos=numbers)
    return BatchHistory(key.handler, batch, events, by_id, restored, outcomes, lost_worker_id)


def submitted_ordinals(event: LogRow) -> Ordinals:
    """Return the ordinals of the items that a batch starts with, as its first event has them.

    Args:
        event: The first event: a submitted batch's names the first ordinal, a derived one's all of them.
    """
    written, first = event.data.get("ordinals"), event.data.get("first")
    if written is not None or first is None:
        return Ordinals.parse(written or "{}")
    return Ordinals(((first, first + event.data["items"]),))


def crashes(
    conn: Connection, job_id: int | None, *, limit: int, since_s: float | None = None, unsolved: bool = False
) -> list[Crash]:
    """Read the latest crashes, latest first.

    Args:
        job_id: The job; None for all.
        limit: How many at most.
        since_s: Only those of this many last seconds; None for all.
        unsolved: Only those whose item is poison, failed, or runs again.
    """
    return rows(conn, Crash, "crashes", job_id=job_id, limit=limit, since_s=since_s, unsolved=unsolved)


def latest_crashes(conn: Connection, *, span_s: float, limit: int) -> list[Crash]:
    """Read the latest crashes over all jobs, latest first.

    Args:
        span_s: Only those of this many last seconds.
        limit: How many at most.
    """
    return rows(conn, Crash, "latest_crashes", span_s=span_s, limit=limit)
