"""Reads of the views: what people ask about jobs, batches, crashes and workers, as frozen rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from psycopg.rows import class_row

from evtrack.domain.errors import NoSuchJob
from evtrack.storage.database import Connection
from evtrack.storage.sql import statement

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A row of evtrack.job_status: what a job is and where it stands; item counts have the bare names."""

    job_id: int
    name: str | None
    handler: str
    priority: int
    phase: str
    suspended: bool
    outcome: str | None
    total: int
    done: int
    failed: int
    crashed: int
    cancelled: int
    invalid: int
    pending: int
    running: int
    percent: float | None
    batches: int
    pace: float | None
    eta: datetime | None
    elapsed_s: float
    note_count: int
    created_at: datetime
    sealed_at: datetime | None
    finished_at: datetime | None
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A row of evtrack.job_progress: a job's items and batches by status; items have the bare names."""

    job_id: int
    phase: str
    suspended: bool
    total: int
    done: int
    failed: int
    crashed: int
    cancelled: int
    invalid: int
    pending: int
    running: int
    ended: int
    percent: float | None
    batches: int
    batches_pending: int
    batches_running: int
    batches_completed: int
    batches_failed: int
    batches_crashed: int
    batches_split: int
    batches_cancelled: int
    bytes_read: int
    bytes_total: int | None
    pace: float | None
    remaining_s: float | None
    eta: datetime | None
    elapsed_s: float
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchStatus:
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
    run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Crash:
    """A row of evtrack.crash, without the bulk of the dossier."""

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
    item_summary: str
    poison: bool
    host: str | None
    pid: int | None
    run_s: float | None
    cpu_s: float | None
    peak_rss_bytes: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of evtrack.waiting: since when a job's pending batches wait, and why."""

    job_id: int
    batches: int
    items: int
    since: datetime | None
    waited_s: float | None
    workers: int
    free_slots: int
    why: str


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A row of evtrack.error_summary: one error and how often it was raised."""

    job_id: int
    type: str | None
    message: str | None
    failures: int
    batches: int
    first_at: datetime
    last_at: datetime
    example_batch_no: int
    example_item_key: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """A message about an item, a line or a file of a job's source."""

    job_id: int
    at: datetime
    source: str | None
    reason: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Worker:
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


@dataclass(frozen=True, slots=True)
class JobKey:
    """Where a job's rows lie, whom to wake for it, and its phase."""

    job_day: date
    handler: str
    phase: str


def job_status(conn: Connection, job_id: int) -> JobStatus:
    """Read where one job stands.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        Its row.

    Raises:
        NoSuchJob: If there is none.
    """
    return _existing(_rows(conn, JobStatus, "job_status", job_id=job_id), job_id)


def jobs(
    conn: Connection, *, limit: int, phases: Sequence[str] | None = None, handler: str | None = None
) -> list[JobStatus]:
    """Read the latest jobs, latest first.

    Args:
        conn: An open connection.
        limit: At most so many.
        phases: Only those in one of these phases; None for any.
        handler: Only those of this handler; None for any.

    Returns:
        Their rows.
    """
    wanted = None if phases is None else list(phases)
    return _rows(conn, JobStatus, "jobs", limit=limit, phases=wanted, handler=handler)


def job_progress(conn: Connection, job_id: int) -> JobProgress:
    """Read how far one job is; costs the same for ten batches and a million.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        Its row.

    Raises:
        NoSuchJob: If there is none.
    """
    return _existing(_rows(conn, JobProgress, "job_progress", job_id=job_id), job_id)


def batches(conn: Connection, job_id: int, *, limit: int, statuses: Sequence[str] | None = None) -> list[BatchStatus]:
    """Read a job's batches in the order of their numbers.

    Args:
        conn: An open connection.
        job_id: The job.
        limit: At most so many.
        statuses: Only those of one of these statuses; None for any.

    Returns:
        Their rows.
    """
    wanted = None if statuses is None else list(statuses)
    return _rows(conn, BatchStatus, "batches", job_id=job_id, limit=limit, statuses=wanted)


def crashes(conn: Connection, job_id: int | None, *, limit: int, since_s: float | None = None) -> list[Crash]:
    """Read the latest crashes, latest first.

    Args:
        conn: An open connection.
        job_id: The job; None for all.
        limit: At most so many.
        since_s: Only those of the last so many seconds; None for all.

    Returns:
        Their rows.
    """
    return _rows(conn, Crash, "crashes", job_id=job_id, limit=limit, since_s=since_s)


def waiting(conn: Connection, job_id: int) -> Waiting | None:
    """Read why a job's pending batches wait.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        Its row, or None when nothing of it is pending.
    """
    return next(iter(_rows(conn, Waiting, "waiting", job_id=job_id)), None)


def errors(conn: Connection, job_id: int, *, limit: int) -> list[ErrorKind]:
    """Read a job's most common errors, the most common first.

    Args:
        conn: An open connection.
        job_id: The job.
        limit: At most so many.

    Returns:
        Their rows.
    """
    return _rows(conn, ErrorKind, "errors", job_id=job_id, limit=limit)


def notes(conn: Connection, job_id: int, *, limit: int) -> list[Note]:
    """Read the latest messages about a job's source, latest first.

    Args:
        conn: An open connection.
        job_id: The job.
        limit: At most so many.

    Returns:
        The messages that the log kept; JobStatus.note_count counts all.
    """
    return _rows(conn, Note, "notes", job_id=job_id, limit=limit)


def live_workers(conn: Connection, *, limit: int = 1000) -> list[Worker]:
    """Read the workers that are neither stopped nor lost.

    Args:
        conn: An open connection.
        limit: At most so many.

    Returns:
        Their rows.
    """
    return _rows(conn, Worker, "live_workers", limit=limit)


def workers(conn: Connection, *, limit: int) -> list[Worker]:
    """Read the latest workers, those that stopped or were lost too.

    Args:
        conn: An open connection.
        limit: At most so many.

    Returns:
        Their rows, the latest first.
    """
    return _rows(conn, Worker, "workers", limit=limit)


def jobs_by_phase(conn: Connection) -> dict[str, int]:
    """Count the jobs in each phase.

    Args:
        conn: An open connection.

    Returns:
        Phase to number, without the phases in which there is none.
    """
    return dict(conn.execute(statement("jobs_by_phase")).fetchall())


def submitter_lives(conn: Connection, job_id: int) -> bool:
    """Tell whether a process is submitting the job now.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        Whether a session holds its submission.
    """
    row = conn.execute(statement("submitter_lives"), {"job_id": job_id}).fetchone()
    return bool(row and row[0])


def job_key(conn: Connection, job_id: int) -> JobKey:
    """Read a job's day, handler and phase.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        Its row.

    Raises:
        NoSuchJob: If there is none.
    """
    return _existing(_rows(conn, JobKey, "job_key", job_id=job_id), job_id)


def _rows(conn: Connection, row_type: type[Row], name: str, **params: Any) -> list[Row]:
    with conn.cursor(row_factory=class_row(row_type)) as cursor:
        return cursor.execute(statement(name), params).fetchall()


def _existing(rows: list[Row], job_id: int) -> Row:
    if not rows:
        raise NoSuchJob(f"There is no job {job_id}.", hint="`evtrack jobs` lists the jobs that there are.")
    return rows[0]
