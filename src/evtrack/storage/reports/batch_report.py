"""Reads all that is known of one batch: how it stands, what happened, who was at it, what became of its items."""

from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from evtrack.domain.errors import NoSuchJob
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.statements import statement
from evtrack.storage.log.reader import LogRow, stream
from evtrack.storage.reports.rows import BatchStatus, Worker
from evtrack.storage.reports.views import job_key

_FATES = 200


@dataclass(frozen=True, slots=True)
class ItemFate:
    """Items that began in one batch and went the same way."""

    status: str
    batch_no: int
    path: list[int]
    items: int
    first_keys: list[str]


@dataclass(frozen=True, slots=True)
class BatchStory:
    """One batch, whole.

    Args:
        handler: The handler that its job is for.
        batch: How it stands.
        events: What happened, in order.
        workers: Those that were at it, by number.
        restored: The names of those that were at it before its job came back from an archive; none if it did not.
        fates: What became of the items that it began with.
    """

    handler: str
    batch: BatchStatus
    events: list[LogRow]
    workers: dict[int, Worker]
    restored: dict[int, str]
    fates: list[ItemFate]


def batch_row(conn: Connection, job_id: int, batch_no: int) -> BatchStatus:
    """Read how one batch stands.

    Args:
        conn: An open connection.
        job_id: The job.
        batch_no: The batch.

    Returns:
        Its row.

    Raises:
        NoSuchJob: If the job has no such batch.
    """
    with conn.cursor(row_factory=class_row(BatchStatus)) as cursor:
        batch = cursor.execute(statement("batch_row"), {"job_id": job_id, "batch_no": batch_no}).fetchone()
    if batch is None:
        raise NoSuchJob(
            f"Job {job_id} has no batch {batch_no}.", hint=f"`evtrack batches {job_id}` lists those that it has."
        )
    return batch


def batch_story(conn: Connection, job_id: int, batch_no: int) -> BatchStory:
    """Read one batch's story.

    Args:
        conn: An open connection.
        job_id: The job.
        batch_no: The batch.

    Returns:
        All that is known of it.

    Raises:
        NoSuchJob: If there is no such job, or it has no such batch.
    """
    key = job_key(conn, job_id)
    batch = batch_row(conn, job_id, batch_no)
    events = stream(conn, (key.job_day, job_id), batch_no)
    ids = sorted({event.worker_id for event in events if event.worker_id is not None})
    with conn.cursor(row_factory=class_row(Worker)) as cursor:
        workers = cursor.execute(statement("workers_by_id"), {"worker_ids": ids}).fetchall()
    restored: dict[int, str] = dict(conn.execute(statement("restored_workers"), {"job_id": job_id}).fetchall())
    began_with: Any = events[0].data.get("ordinals", "{}")
    with conn.cursor(row_factory=class_row(ItemFate)) as cursor:
        fates = cursor.execute(
            statement("item_fates"), {"job_id": job_id, "ordinals": began_with, "limit": _FATES}
        ).fetchall()
    return BatchStory(key.handler, batch, events, {worker.worker_id: worker for worker in workers}, restored, fates)
