"""Reads what was: a job as of a time, folded from its events, and the course of its counters."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from evtrack.domain.errors import BadArgument
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.statements import statement
from evtrack.storage.reports.views import job_key


@dataclass(frozen=True, slots=True)
class ProgressAt:
    """A row of evtrack.job_progress_at: items and batches by status; items have the bare names."""

    job_id: int
    as_of_time: datetime
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
    percent: float | None
    batches: int
    batches_pending: int
    batches_running: int
    batches_completed: int
    batches_failed: int
    batches_crashed: int
    batches_split: int
    batches_cancelled: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A job's items by status at a time."""

    at: datetime
    pending: int
    running: int
    done: int
    failed: int
    crashed: int
    cancelled: int


def job_progress_at(conn: Connection, job_id: int, as_of: datetime) -> ProgressAt:
    """Read how far a job was at a time; reads all of its events until then.

    Args:
        conn: An open connection.
        job_id: The job.
        as_of: The time.

    Returns:
        Where it stood.

    Raises:
        NoSuchJob: There is none.
        BadArgument: It was not there yet.
    """
    job_key(conn, job_id)
    with conn.cursor(row_factory=class_row(ProgressAt)) as cursor:
        row = cursor.execute(statement("job_progress_at"), {"job_id": job_id, "as_of": as_of}).fetchone()
    if row is None:
        raise BadArgument(f"Job {job_id} was not there yet at {as_of.isoformat()}.", hint="Name a later time.")
    return row


def job_course(conn: Connection, job_id: int) -> list[Moment]:
    """Read how a job's items stood over time, in spans of ten seconds, of an ended job at most 120.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        A moment at the end of each span in which something changed.

    Raises:
        NoSuchJob: There is none.
    """
    job_key(conn, job_id)
    with conn.cursor(row_factory=class_row(Moment)) as cursor:
        return cursor.execute(statement("job_course"), {"job_id": job_id}).fetchall()
