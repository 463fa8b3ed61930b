"""Reads of the views: what people ask about jobs, batches, crashes and workers, as frozen rows."""

from collections.abc import Sequence
from typing import Any, TypeVar

from psycopg.rows import class_row

from evtrack.domain.errors import NoSuchJob
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.statements import statement
from evtrack.storage.reports.rows import (
    BatchStatus,
    Crash,
    ErrorKind,
    Health,
    JobKey,
    JobProgress,
    JobStatus,
    Note,
    RecentSums,
    Waiting,
    Worker,
)
from evtrack.storage.retention.ledger import refuse_dropped

Row = TypeVar("Row")


def job_status(conn: Connection, job_id: int) -> JobStatus:
    """Read where one job stands.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        Its row.

    Raises:
        NoSuchJob: If there is none; JobDropped, if retention dropped it.
    """
    return _existing(conn, _rows(conn, JobStatus, "job_status", job_id=job_id), job_id)


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
        NoSuchJob: If there is none; JobDropped, if retention dropped it.
    """
    return _existing(conn, _rows(conn, JobProgress, "job_progress", job_id=job_id), job_id)


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


def health(conn: Connection, *, span_s: float) -> Health:
    """Read how the whole is doing; costs the same however many batches there are.

    Args:
        conn: An open connection.
        span_s: Over how many seconds, up to now.

    Returns:
        One row.
    """
    return _rows(conn, Health, "health", span_s=span_s)[0]


def recent_sums(conn: Connection, *, span_s: float) -> RecentSums:
    """Read what became of the items and batches of the jobs that were created lately.

    Args:
        conn: An open connection.
        span_s: In the last so many seconds.

    Returns:
        One row.
    """
    return _rows(conn, RecentSums, "recent_sums", span_s=span_s)[0]


def latest_crashes(conn: Connection, *, span_s: float, limit: int) -> list[Crash]:
    """Read the latest crashes over all jobs, latest first.

    Args:
        conn: An open connection.
        span_s: Only those of the last so many seconds.
        limit: At most so many.

    Returns:
        Their rows.
    """
    return _rows(conn, Crash, "latest_crashes", span_s=span_s, limit=limit)


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
        NoSuchJob: If there is none; JobDropped, if retention dropped it.
    """
    return _existing(conn, _rows(conn, JobKey, "job_key", job_id=job_id), job_id)


def _rows(conn: Connection, row_type: type[Row], name: str, **params: Any) -> list[Row]:
    with conn.cursor(row_factory=class_row(row_type)) as cursor:
        return cursor.execute(statement(name), params).fetchall()


def _existing(conn: Connection, rows: list[Row], job_id: int) -> Row:
    if not rows:
        refuse_dropped(conn, job_id)
        raise NoSuchJob(f"There is no job {job_id}.", hint="`evtrack jobs` lists the jobs that there are.")
    return rows[0]
