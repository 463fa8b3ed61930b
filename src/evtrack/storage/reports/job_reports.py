"""Reports on jobs: status, progress, why batches wait, errors, and notes about the source."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from evtrack.domain.errors import NoSuchJob
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import Row, mapping, one, rows, value
from evtrack.storage.retention.ledger import refuse_dropped


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A row of evtrack.job_status: a job's properties and status; fields such as `done` count items."""

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
    """A row of evtrack.job_progress: a job's items and batches by status; fields such as `done` count items."""

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
class Waiting:
    """A row of evtrack.waiting: how long a job's pending batches have been waiting, and why."""

    job_id: int
    batches: int
    items: int
    since: datetime | None
    waited_s: float | None
    workers: int
    free_slots: int
    why: str
    overdue: bool


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A row of evtrack.error_summary: an error, how often it was raised, and what is wrong now because of it."""

    job_id: int
    fingerprint: str
    type: str | None
    shape: str | None
    place: str | None
    message: str | None
    failures: int
    batches: int
    items_failed: int
    items_retrying: int
    first_at: datetime
    last_at: datetime
    example_batch_no: int
    example_item_key: str | None

    @property
    def is_open(self) -> bool:
        """Whether items are failed, or run again, because of it."""
        return self.items_failed + self.items_retrying > 0


@dataclass(frozen=True, slots=True)
class NoteRow:
    """A message about an item, a line or a file of a job's source."""

    job_id: int
    at: datetime
    source: str | None
    reason: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class JobKey:
    """A job's day, handler and phase."""

    job_day: date
    handler: str
    phase: str


def job_status(conn: Connection, job_id: int) -> JobStatus:
    """Read the status of one job.

    Raises:
        NoSuchJob: There is no such job; JobDropped, if a cleanup dropped it.
    """
    return existing(conn, one(conn, JobStatus, "job_status", job_id=job_id), job_id)


def jobs(
    conn: Connection, *, limit: int, phases: Sequence[str] | None = None, handler: str | None = None
) -> list[JobStatus]:
    """Read the latest jobs, latest first.

    Args:
        limit: How many at most.
        phases: Only those in one of these phases; None for any.
        handler: Only those of this handler; None for any.
    """
    wanted = None if phases is None else list(phases)
    return rows(conn, JobStatus, "jobs", limit=limit, phases=wanted, handler=handler)


def active_jobs(conn: Connection, *, limit: int) -> list[JobStatus]:
    """Read the latest jobs that have not ended, latest first; the cost does not depend on how many have."""
    return rows(conn, JobStatus, "active_jobs", limit=limit)


def job_progress(conn: Connection, job_id: int) -> JobProgress:
    """Read the progress of one job; the cost does not depend on its number of batches.

    Raises:
        NoSuchJob: There is no such job; JobDropped, if a cleanup dropped it.
    """
    return existing(conn, one(conn, JobProgress, "job_progress", job_id=job_id), job_id)


def jobs_by_phase(conn: Connection) -> dict[str, int]:
    """Count the jobs in each phase.

    Returns:
        The number for each phase that has jobs.
    """
    return mapping(conn, "jobs_by_phase")


def job_key(conn: Connection, job_id: int) -> JobKey:
    """Read a job's day, handler and phase.

    Raises:
        NoSuchJob: There is no such job; JobDropped, if a cleanup dropped it.
    """
    return existing(conn, one(conn, JobKey, "job_key", job_id=job_id), job_id)


def waiting(conn: Connection, job_id: int) -> Waiting | None:
    """Read why a job's pending batches wait.

    Returns:
        Its row, or None when it has no pending batch.
    """
    return one(conn, Waiting, "waiting", job_id=job_id)


def errors(conn: Connection, job_id: int, *, limit: int) -> list[ErrorKind]:
    """Read a job's errors: first those that are wrong now, then the most common ones."""
    return rows(conn, ErrorKind, "errors", job_id=job_id, limit=limit)


def retrying_items(conn: Connection, job_id: int) -> int:
    """Count the items of a job that failed or crashed and wait for their next attempt."""
    return int(value(conn, "job_retrying", job_id=job_id))


def notes(conn: Connection, job_id: int, *, limit: int) -> list[NoteRow]:
    """Read the latest messages about a job's source, latest first.

    Returns:
        The messages that the log contains; JobStatus.note_count counts all.
    """
    return rows(conn, NoteRow, "notes", job_id=job_id, limit=limit)


def submitter_lives(conn: Connection, job_id: int) -> bool:
    """Return whether a process is submitting the job now.

    Returns:
        Whether a session holds the submission's lock.
    """
    return bool(value(conn, "submitter_lives", job_id=job_id))


def existing(conn: Connection, row: Row | None, job_id: int) -> Row:
    """Return the row of a job.

    Raises:
        NoSuchJob: It is None; JobDropped, if a cleanup dropped the job.
    """
    if row is None:
        refuse_dropped(conn, job_id)
        raise NoSuchJob(f"There is no job {job_id}.", hint="`evtrack jobs` lists the latest jobs.")
    return row
