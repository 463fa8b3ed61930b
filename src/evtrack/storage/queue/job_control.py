"""Acts on a job as a whole: suspend, resume, cancel, retry and finish it, quarantine items, wake its workers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from evtrack.domain.database_errors import StorageError
from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows, run, value
from evtrack.storage.queue.notify_queue import QUEUE_FULL, notify_queue
from evtrack.storage.reports.job_reports import job_key


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """The outcome for one item that was named by its key.

    Args:
        item_key: The key, as it was given.
        ordinal: The item's ordinal in the job; None when no item has the key.
        batch_no: The batch that contains it now.
        verdict: `retry` or `quarantined`, else its status: pending, running, completed, failed, crashed, cancelled,
            or `unknown`.
    """

    item_key: str
    ordinal: int | None
    batch_no: int | None
    verdict: str


def suspend_job(conn: Connection, job_id: int) -> bool:
    """Stop handing out a job's batches; running ones continue.

    Returns:
        Whether anything changed.

    Raises:
        NoSuchJob: There is no such job.
        JobPhaseError: The job has ended.
    """
    job_key(conn, job_id)
    return bool(value(conn, "suspend_job", job_id=job_id))


def resume_job(conn: Connection, job_id: int) -> bool:
    """Hand out a suspended job's batches again, and wake the workers.

    Returns:
        Whether anything changed.

    Raises:
        NoSuchJob: There is no such job.
    """
    handler = job_key(conn, job_id).handler
    changed = bool(value(conn, "resume_job", job_id=job_id))
    if changed:
        wake_workers(conn, handler)
    return changed


def cancel_job(conn: Connection, job_id: int) -> bool:
    """Cancel a job's pending batches; running ones finish and are not retried.

    Returns:
        Whether anything changed.

    Raises:
        NoSuchJob: There is no such job.
        JobPhaseError: The job is finished.
    """
    job_key(conn, job_id)
    return bool(value(conn, "cancel_job", job_id=job_id))


def retry_job(conn: Connection, job_id: int, *, statuses: Sequence[str], batch_nos: Sequence[int] | None = None) -> int:
    """Set failed and crashed batches back to pending, with new budgets, and wake the workers.

    Args:
        conn: A connection in autocommit mode.
        job_id: The job; a finished one is reopened.
        statuses: failed, crashed or both.
        batch_nos: Only these batches; None for all.

    Returns:
        How many batches are retried.

    Raises:
        NoSuchJob: There is no such job.
        JobPhaseError: The job is cancelled.
    """
    handler = job_key(conn, job_id).handler
    numbers = None if batch_nos is None else list(batch_nos)
    retried = int(value(conn, "retry_job", job_id=job_id, statuses=list(statuses), batch_nos=numbers))
    if retried:
        wake_workers(conn, handler)
    return retried


def retry_items(
    conn: Connection,
    job_id: int,
    item_keys: Sequence[str],
    *,
    statuses: Sequence[str],
    batch_nos: Sequence[int] | None = None,
) -> list[ItemVerdict]:
    """Set single failed and crashed items back to pending, with new budgets, and wake the workers.

    Args:
        conn: A connection in autocommit mode.
        job_id: The job; a finished one is reopened.
        item_keys: The items' keys; a key of several items stands for all of them.
        statuses: failed, crashed or both.
        batch_nos: Only items in these batches; None for any.

    Returns:
        The outcome for each item, in the order of the keys.

    Raises:
        NoSuchJob: There is no such job.
        JobPhaseError: The job is cancelled.
    """
    handler = job_key(conn, job_id).handler
    numbers = None if batch_nos is None else list(batch_nos)
    found = rows(
        conn,
        ItemVerdict,
        "retry_items",
        job_id=job_id,
        item_keys=list(item_keys),
        statuses=list(statuses),
        batch_nos=numbers,
    )
    if any(item.verdict == "retry" for item in found):
        wake_workers(conn, handler)
    return found


def quarantine_items(conn: Connection, job_id: int, item_keys: Sequence[str]) -> list[ItemVerdict]:
    """Quarantine single items: pending, failed and crashed ones are cancelled and never run again.

    Args:
        conn: A connection in autocommit mode.
        item_keys: The items' keys; a key of several items stands for all of them.

    Returns:
        The outcome for each item, in the order of the keys.

    Raises:
        NoSuchJob: There is no such job.
    """
    job_key(conn, job_id)
    found = rows(conn, ItemVerdict, "quarantine_items", job_id=job_id, item_keys=list(item_keys))
    # The last open item may have been among them. If it cannot be finished now, a worker's upkeep does it.
    with _passing_errors_dropped():
        finish_due(conn, job_id)
    return found


def finish_due(conn: Connection, job_id: int) -> bool:
    """Finish a job if all of its batches have ended; call it after the commit that may have ended the last one.

    Returns:
        Whether this call finished it.
    """
    return bool(value(conn, "finish_due", job_id=job_id))


def wake_workers(conn: Connection, handler: str) -> None:
    """Notify workers that there is work; call it after the commit.

    If the server cannot do it now, workers find the work when they next look.

    Args:
        handler: The handler whose workers to wake.
    """
    _wake(conn, "wake_workers", handler=handler)


def wake_watchers(conn: Connection) -> None:
    """Notify watchers that there may be alerts; call it after the commit of what may have raised one.

    If the server cannot do it now, watchers find the alerts when they next look.
    """
    _wake(conn, "wake_watchers")


def _wake(conn: Connection, name: str, **values: str) -> None:
    with suppress(EvtrackError):
        try:
            run(conn, name, **values)
        except StorageError as error:
            if error.sqlstate != QUEUE_FULL:
                raise
            # Whoever kept the queue full may be gone, but only a look at it empties it.
            notify_queue(conn)
            run(conn, name, **values)


@contextmanager
def _passing_errors_dropped() -> Iterator[None]:
    """Ignore errors that may pass by themselves, in what follows a committed change and would hide that it is done."""
    try:
        yield
    except EvtrackError as error:
        if not error.is_passing:
            raise
