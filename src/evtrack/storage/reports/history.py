"""Reports on the past: a job as of a time, folded from its events, and the timeline of its items."""

from dataclasses import dataclass
from datetime import datetime

from evtrack.domain.errors import BadArgument
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import one, rows
from evtrack.storage.reports.job_reports import job_key


@dataclass(frozen=True, slots=True)
class ProgressAt:
    """A row of evtrack.job_progress_at: items and batches by status; fields such as `done` count items."""

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
class TimelinePoint:
    """A job's items by status at a time."""

    at: datetime
    pending: int
    running: int
    done: int
    failed: int
    crashed: int
    cancelled: int


def job_progress_at(conn: Connection, job_id: int, as_of: datetime) -> ProgressAt:
    """Read a job's progress as of a time; reads all of its events until then.

    Args:
        as_of: The time.

    Returns:
        Its progress then.

    Raises:
        NoSuchJob: There is no such job.
        BadArgument: It did not exist yet.
    """
    job_key(conn, job_id)
    row = one(conn, ProgressAt, "job_progress_at", job_id=job_id, as_of=as_of)
    if row is None:
        time = as_of.isoformat().replace("+00:00", "Z")
        raise BadArgument(f"Job {job_id} did not exist yet at {time}.", hint="Name a later time.")
    return row


def job_timeline(conn: Connection, job_id: int) -> list[TimelinePoint]:
    """Read a job's items by status over time, in spans of ten seconds; of an ended job at most 120 spans.

    Returns:
        A moment at the end of each span in which something changed.

    Raises:
        NoSuchJob: There is no such job.
    """
    job_key(conn, job_id)
    return timeline_of(conn, job_id)


def timeline_of(conn: Connection, job_id: int) -> list[TimelinePoint]:
    """Read the timeline of a job as `job_timeline` does; empty if there is no such job."""
    return rows(conn, TimelinePoint, "job_timeline", job_id=job_id)
