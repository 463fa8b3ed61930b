"""What a person may do to a job: suspend, resume, cancel and retry it, and keep items out of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.statements import statement
from evtrack.storage.reports.views import job_key
from evtrack.storage.submission.job import finish_due, wake_workers


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """What became of one item that was named by its key.

    Args:
        item_key: The key, as it was given.
        ordinal: The item's place in the job; None when no item has the key.
        batch_no: The batch that holds it now.
        verdict: `retry` or `quarantined`, else what it is: pending, running, completed, failed, crashed, cancelled,
            or `unknown`.
    """

    item_key: str
    ordinal: int | None
    batch_no: int | None
    verdict: str


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


def retry_items(
    conn: Connection,
    job_id: int,
    item_keys: Sequence[str],
    *,
    statuses: Sequence[str],
    batch_nos: Sequence[int] | None = None,
) -> list[ItemVerdict]:
    """Bring single failed and crashed items back to pending, their budgets anew, and wake the workers.

    Args:
        conn: A connection in autocommit mode.
        job_id: The job; if it is finished it is reopened.
        item_keys: The items' keys; a key may belong to several items, and all are meant.
        statuses: Failed, crashed or both.
        batch_nos: Only where these batches hold them; None for any.

    Returns:
        What became of each item, in the order of the keys.

    Raises:
        NoSuchJob: If there is none.
        JobPhaseError: If the job is cancelled.
    """
    handler = job_key(conn, job_id).handler
    numbers = None if batch_nos is None else list(batch_nos)
    found = _verdicts(
        conn, "retry_items", job_id=job_id, item_keys=list(item_keys), statuses=list(statuses), batch_nos=numbers
    )
    if any(item.verdict == "retry" for item in found):
        wake_workers(conn, handler)
    return found


def quarantine_items(conn: Connection, job_id: int, item_keys: Sequence[str]) -> list[ItemVerdict]:
    """Keep single items out of a job for good: pending, failed and crashed ones are cancelled without being run.

    Args:
        conn: A connection in autocommit mode.
        job_id: The job.
        item_keys: The items' keys; a key may belong to several items, and all are meant.

    Returns:
        What became of each item, in the order of the keys.

    Raises:
        NoSuchJob: If there is none.
    """
    job_key(conn, job_id)
    found = _verdicts(conn, "quarantine_items", job_id=job_id, item_keys=list(item_keys))
    # It may have been the last that was open.
    finish_due(conn, job_id)
    return found


def _verdicts(conn: Connection, name: str, **params: Any) -> list[ItemVerdict]:
    with conn.cursor(row_factory=class_row(ItemVerdict)) as cursor:
        return cursor.execute(statement(name), params).fetchall()


def _value(conn: Connection, name: str, **params: object) -> int:
    row = conn.execute(statement(name), params).fetchone()
    return int(row[0]) if row else 0
