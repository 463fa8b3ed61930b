"""What a person may do to a job: suspend, resume, cancel and retry it."""

from collections.abc import Sequence

from evtrack.storage.database import Connection
from evtrack.storage.jobs import wake_workers
from evtrack.storage.reports import job_key
from evtrack.storage.sql import statement


def suspend_job(conn: Connection, job_id: int) -> bool:
    """Hand out no more batches of a job; what runs goes on.

    Args:
        conn: A connection in autocommit mode.
        job_id: The job.

    Returns:
        Whether anything changed.

    Raises:
        NoSuchJob: If there is none.
        JobPhaseError: If the job has ended.
    """
    job_key(conn, job_id)
    return bool(_value(conn, "suspend_job", job_id=job_id))


def resume_job(conn: Connection, job_id: int) -> bool:
    """Hand out a suspended job's batches again, and wake the workers.

    Args:
        conn: A connection in autocommit mode.
        job_id: The job.

    Returns:
        Whether anything changed.

    Raises:
        NoSuchJob: If there is none.
    """
    handler = job_key(conn, job_id).handler
    changed = bool(_value(conn, "resume_job", job_id=job_id))
    if changed:
        wake_workers(conn, handler)
    return changed


def cancel_job(conn: Connection, job_id: int) -> bool:
    """Cancel what is pending of a job; what runs goes to its end and does not come back.

    Args:
        conn: A connection in autocommit mode.
        job_id: The job.

    Returns:
        Whether anything changed.

    Raises:
        NoSuchJob: If there is none.
        JobPhaseError: If the job is finished.
    """
    job_key(conn, job_id)
    return bool(_value(conn, "cancel_job", job_id=job_id))


def retry_job(conn: Connection, job_id: int, *, statuses: Sequence[str], batch_nos: Sequence[int] | None = None) -> int:
    """Bring failed and crashed batches back to pending, their budgets anew, and wake the workers.

    Args:
        conn: A connection in autocommit mode.
        job_id: The job; if it is finished it is reopened.
        statuses: Failed, crashed or both.
        batch_nos: Only these batches; None for all.

    Returns:
        How many came back.

    Raises:
        NoSuchJob: If there is none.
        JobPhaseError: If the job is cancelled.
    """
    handler = job_key(conn, job_id).handler
    numbers = None if batch_nos is None else list(batch_nos)
    brought_back = _value(conn, "retry_job", job_id=job_id, statuses=list(statuses), batch_nos=numbers)
    if brought_back:
        wake_workers(conn, handler)
    return brought_back


def _value(conn: Connection, name: str, **params: object) -> int:
    row = conn.execute(statement(name), params).fetchone()
    return int(row[0]) if row else 0
