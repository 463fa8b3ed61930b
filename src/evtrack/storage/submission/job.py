"""A submitter's side of a job: open, extend by COPY, seal, take up again."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from psycopg.errors import UniqueViolation
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from evtrack.domain.errors import BadArgument, SubmissionLost
from evtrack.domain.text import quoted
from evtrack.storage.connection.connect import Connection, behind_pooler, translated
from evtrack.storage.connection.statements import statement
from evtrack.storage.submission.open_job import OpenJob

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evtrack.storage.submission.open_job import Chunk


def create_job(
    conn: Connection,
    *,
    handler: str,
    name: str | None,
    priority: int,
    policy: Mapping[str, Any],
    source: Mapping[str, Any],
    bytes_total: int | None,
) -> OpenJob:
    """Open a job.

    Args:
        conn: An open connection.
        handler: Who shall work on it.
        name: What people call it.
        priority: Higher goes first.
        policy: Budgets, backoff and limits; what is missing has its default.
        source: What it is submitted from, and how: enough to go on after a crash.
        bytes_total: How large the source is, if that is known.

    Returns:
        The job.

    Raises:
        BadArgument: The database does not take one of the values.
    """
    values = {"handler": handler, "name": name, "priority": priority, "bytes_total": bytes_total}
    row = _row(conn, "create_job", {**values, "policy": Jsonb(_finite(policy)), "source": Jsonb(dict(source))})
    job_id, job_day, submitter = row
    return OpenJob(job_id, job_day, submitter, 0, 0, 0, None, dict(source), handler, 0, bytes_total)


def reclaim_job(conn: Connection, job_id: int) -> OpenJob:
    """Take up a submission whose submitter is gone, and hold it.

    Args:
        conn: An open connection; the job is held for as long as it lives.
        job_id: The job.

    Returns:
        The job as it stands.

    Raises:
        NoSuchJob: There is none.
        JobPhaseError: It is submitted already, or cancelled.
        SubmissionLost: Its submitter lives.
    """
    if not behind_pooler(conn):
        return OpenJob(*_row(conn, "reclaim_job", {"job_id": job_id}))
    with translated(), conn.transaction():
        row = _row(conn, "reclaim_job", {"job_id": job_id})
        # Within the transaction the session is still the one that took the lock, which nobody else could give back.
        _row(conn, "release_job", {"job_id": job_id})
    return OpenJob(*row)


def hold_job(conn: Connection, job_id: int) -> bool:
    """Show for as long as the connection lives that the job has a submitter; behind a pooler nothing can.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        Whether it is held.
    """
    return not behind_pooler(conn) and bool(_row(conn, "hold_job", {"job_id": job_id})[0])


def release_job(conn: Connection, job_id: int) -> None:
    """Hold a job no more, while the connection lives on.

    Args:
        conn: The connection that holds it; a broken one holds nothing.
        job_id: The job.
    """
    if not conn.closed and not behind_pooler(conn):
        _row(conn, "release_job", {"job_id": job_id})


def add_chunk(conn: Connection, job: OpenJob, chunk: Chunk) -> int:
    """Append a chunk, in one transaction or as a part of the one that is open.

    Args:
        conn: An open connection.
        job: The job.
        chunk: What to append.

    Returns:
        The number of the job's last batch: more than the chunk's own where batches were split meanwhile.

    Raises:
        JobPhaseError: The job was cancelled, or taken for abandoned.
        SubmissionLost: Another took it over.
    """
    with translated(), conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
        if chunk.item_counts:
            cursor.execute(statement("present_submitter"), {"submitter": job.submitter})
            try:
                with cursor.copy(statement("copy_payload")) as copy:
                    for block in chunk.rows:
                        copy.write(block)
            except UniqueViolation:
                raise SubmissionLost(
                    f"job {job.job_id} has these items already: another submitter took the job over",
                    hint="This submitter was considered dead; stop it.",
                ) from None
        row = cursor.execute(
            statement("add_batches"),
            {
                "job_id": job.job_id,
                "submitter": job.submitter,
                "first_batch_no": chunk.first_batch_no,
                "item_counts": _array(chunk.item_counts),
                "weights": _array(chunk.weights),
                "first_ordinals": _array(chunk.first_ordinals),
                "position": Jsonb(chunk.position),
                "bytes_read": chunk.bytes_read,
                "invalid": chunk.invalid,
                "notes": Jsonb(list(chunk.notes)) if chunk.notes else None,
                "note_total": chunk.invalid,
            },
        ).fetchone()
    assert row is not None  # noqa: S101  a SELECT of a function has one row
    return int(row[0])


def seal_job(conn: Connection, job: OpenJob) -> None:
    """Say that the job is submitted whole.

    Args:
        conn: An open connection.
        job: The job.
    """
    _row(conn, "seal_job", {"job_id": job.job_id, "submitter": job.submitter})


def wake_workers(conn: Connection, handler: str) -> None:
    """Tell workers that there is work; call it after the commit.

    Args:
        conn: An open connection.
        handler: Whose workers.
    """
    _row(conn, "wake_workers", {"handler": handler})


def finish_due(conn: Connection, job_id: int) -> bool:
    """Finish a job in which nothing is open; call it after the commit of what may have been the last.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        Whether it is finished now by this call.
    """
    return bool(_row(conn, "finish_due", {"job_id": job_id})[0])


def enqueue(
    conn: Connection,
    *,
    handler: str,
    item_keys: Sequence[str],
    payloads: Sequence[str],
    name: str | None,
    priority: int,
    policy: Mapping[str, Any],
    batch_size: int | None,
) -> int:
    """Submit a whole small job in one call.

    Args:
        conn: An open connection.
        handler: Who shall work on it.
        item_keys: The items' keys.
        payloads: The items, each a line of JSON.
        name: What people call it.
        priority: Higher goes first.
        policy: Budgets, backoff and limits.
        batch_size: Items a batch; None puts all into one.

    Returns:
        The job's id.
    """
    values = {"handler": handler, "item_keys": list(item_keys), "payloads": list(payloads), "name": name}
    row = _row(
        conn, "enqueue", {**values, "priority": priority, "policy": Jsonb(_finite(policy)), "batch_size": batch_size}
    )
    return int(row[0])


def pending_batches(conn: Connection, handler: str) -> int:
    """Count the batches that wait for a handler, over all its jobs.

    Args:
        conn: An open connection.
        handler: The handler.

    Returns:
        How many.
    """
    return int(_row(conn, "pending_batches", {"the_handler": handler})[0])


def joins_transaction(conn: Connection) -> bool:
    """Tell whether what is done on a connection is a part of its user's own transaction.

    Args:
        conn: An open connection.
    """
    return not conn.autocommit or conn.info.transaction_status != TransactionStatus.IDLE


def _row(conn: Connection, name: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
    # A caller's connection may make dicts of rows.
    with translated(), conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(statement(name), values).fetchone()
    assert row is not None, f"{name} returns one row"  # noqa: S101
    return row


def _array(values: Sequence[int]) -> str:
    # A text literal: psycopg's own way over a list looks at each number and takes ten times as long.
    return "{" + ",".join(map(str, values)) + "}"


def _finite(policy: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in policy.items():
        if isinstance(value, float) and not isfinite(value):
            raise BadArgument(
                f"policy key {quoted(key)}: {value} is no number of seconds", hint="Leave it out instead."
            )
    return dict(policy)
