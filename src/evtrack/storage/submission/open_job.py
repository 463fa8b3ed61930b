"""A job while it is being submitted: create it, extend it by COPY, seal it, resume it after a crash."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql as compose
from psycopg.errors import UniqueViolation
from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb

from evtrack.domain.errors import BadArgument, NoSuchJob, SubmissionLost
from evtrack.domain.text import quoted
from evtrack.storage.connection.connect import Connection, behind_pooler
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import array_literal, one, run, value
from evtrack.storage.connection.sql_files import statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that is being submitted, as it was when this submitter took it.

    Args:
        submitter: The token that permits extending it.
        batch_count: The number of its last batch.
        item_count: The ordinal of its last item.
        invalid_count: How many items were invalid.
        position: How far its source was read; None at the beginning.
        source: What it is submitted from, and how.
        bytes_read: How much of its source was read.
        bytes_total: How large its source is, if that is known.
        payload_table: The table to copy its items into.
    """

    job_id: int
    job_day: date
    submitter: UUID
    batch_count: int
    item_count: int
    invalid_count: int
    position: dict[str, Any] | None
    source: dict[str, Any]
    handler: str
    bytes_read: int
    bytes_total: int | None
    payload_table: str = "payload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What is committed together: whole batches, and the source position after them.

    Args:
        first_batch_no: The number of the first batch.
        item_counts: The items of each batch.
        weights: The weight of each batch.
        first_ordinals: The ordinal of each batch's first item.
        rows: The items, as a binary COPY stream in blocks.
        position: Where to continue after this chunk.
        bytes_read: How much of the source was read.
        invalid: How many invalid items lie between the previous chunk's position and this one's.
        notes: What was wrong with the first of them.
    """

    first_batch_no: int
    item_counts: Sequence[int]
    weights: Sequence[int]
    first_ordinals: Sequence[int]
    rows: Sequence[bytes]
    position: Mapping[str, Any]
    bytes_read: int
    invalid: int = 0
    notes: Sequence[Mapping[str, str]] = field(default=())


class _Created(NamedTuple):
    job_id: int
    job_day: date
    submitter: UUID


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
    """Create a job.

    Args:
        handler: The handler that will process it.
        name: Its name, if any.
        priority: Higher goes first.
        policy: Budgets, backoff and limits; what is missing has its default.
        source: What it is submitted from, and how: enough to continue after a crash.
        bytes_total: How large the source is, if that is known.

    Raises:
        BadArgument: The database rejects one of the values.
    """
    values: dict[str, Any] = {"handler": handler, "name": name, "priority": priority, "bytes_total": bytes_total}
    values |= {"policy": Jsonb(_finite(policy)), "source": Jsonb(dict(source))}
    created = one(conn, _Created, "create_job", **values)
    assert created is not None  # noqa: S101  a function with OUT parameters returns one row
    return OpenJob(
        **created._asdict(),
        batch_count=0,
        item_count=0,
        invalid_count=0,
        position=None,
        source=dict(source),
        handler=handler,
        bytes_read=0,
        bytes_total=bytes_total,
        payload_table=_payload_table(conn, created.job_day),
    )


def reclaim_job(conn: Connection, job_id: int, *, submitter: UUID | None = None) -> OpenJob:
    """Take over a submission whose submitter is gone, and lock it.

    Args:
        conn: An open connection; the submission stays locked for as long as it lives.
        submitter: The token that permits extending it; None for a new one.

    Returns:
        The job as it is.

    Raises:
        NoSuchJob: There is no such job.
        JobPhaseError: It is already sealed, or cancelled.
        SubmissionLost: Its submitter is alive.
    """
    pooled = behind_pooler(conn)
    with translated(), conn.transaction():
        job = one(conn, OpenJob, "reclaim_job", job_id=job_id, submitter=submitter)
        if pooled:
            # Only within the transaction is it certain that this session took the lock; later nobody could unlock it.
            run(conn, "unlock_submission", job_id=job_id)
    if job is None:
        raise NoSuchJob
    return replace(job, payload_table=_payload_table(conn, job.job_day))


def lock_submission(conn: Connection, job_id: int) -> bool:
    """Show, for as long as the connection lives, that the job has a submitter; impossible behind a pooler.

    Returns:
        Whether it is locked.
    """
    return not behind_pooler(conn) and bool(value(conn, "lock_submission", job_id=job_id))


def unlock_submission(conn: Connection, job_id: int) -> None:
    """Undo `lock_submission` on a connection that stays open.

    Args:
        conn: The connection that holds the lock; a broken one holds nothing.
    """
    if not conn.closed and not behind_pooler(conn):
        run(conn, "unlock_submission", job_id=job_id)


def add_chunk(conn: Connection, job: OpenJob, chunk: Chunk) -> int:
    """Append a chunk, in one transaction or as part of the one that is open.

    Args:
        chunk: What to append.

    Returns:
        The number of the job's last batch: higher than the chunk's own where batches were split meanwhile.

    Raises:
        JobPhaseError: The job was cancelled, or cleaned up as abandoned.
        SubmissionLost: Another submitter took it over.
    """
    with translated(), conn.transaction():
        if chunk.item_counts:
            run(conn, "set_submitter", submitter=job.submitter)
            try:
                with conn.cursor() as cursor, cursor.copy(_copy_payload(job)) as copy:
                    for block in chunk.rows:
                        copy.write(block)
            except UniqueViolation:
                raise SubmissionLost(
                    f"job {job.job_id} has these items already: another submitter took the job over",
                    hint="This submitter was considered dead; stop it.",
                ) from None
        last_batch_no = value(
            conn,
            "add_batches",
            job_id=job.job_id,
            submitter=job.submitter,
            first_batch_no=chunk.first_batch_no,
            item_counts=array_literal(chunk.item_counts),
            weights=array_literal(chunk.weights),
            first_ordinals=array_literal(chunk.first_ordinals),
            position=Jsonb(chunk.position),
            bytes_read=chunk.bytes_read,
            invalid=chunk.invalid,
            notes=Jsonb(list(chunk.notes)) if chunk.notes else None,
            note_total=chunk.invalid,
        )
    return int(last_batch_no)


def seal_job(conn: Connection, job: OpenJob) -> None:
    """Record that the job is submitted completely."""
    run(conn, "seal_job", job_id=job.job_id, submitter=job.submitter)


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
    """Submit a small job in one call.

    Args:
        handler: The handler that will process it.
        item_keys: A key for each item, without newlines.
        payloads: The items, each a line of JSON.
        name: Its name, if any.
        priority: Higher goes first.
        policy: Budgets, backoff and limits.
        batch_size: Items per batch; None puts all into one.
    """
    # As lines: psycopg takes 13 times as long to write the same texts as arrays.
    lines = {"item_keys": "\n".join(item_keys), "payloads": "\n".join(payloads)}
    values = {"handler": handler, "name": name, **lines}
    more = {"priority": priority, "policy": Jsonb(_finite(policy)), "batch_size": batch_size}
    return int(value(conn, "enqueue", **values, **more))


def pending_batches(conn: Connection, handler: str) -> int:
    """Count the pending batches of a handler, over all its jobs."""
    return int(value(conn, "pending_batches", the_handler=handler))


def joins_transaction(conn: Connection) -> bool:
    """Return whether statements on a connection become part of its user's own transaction."""
    return not conn.autocommit or conn.info.transaction_status != TransactionStatus.IDLE


def _payload_table(conn: Connection, job_day: date) -> str:
    return str(value(conn, "payload_table", job_day=job_day))


def _copy_payload(job: OpenJob) -> compose.Composed:
    # A table cannot be a parameter of a statement, only a part of its text.
    text = statement("copy_payload").replace("%(payload_table)s", "{}")
    return compose.SQL(text).format(compose.Identifier("evtrack", job.payload_table))


def _finite(policy: Mapping[str, Any]) -> dict[str, Any]:
    for key, setting in policy.items():
        if isinstance(setting, float) and not isfinite(setting):
            raise BadArgument(
                f"policy key {quoted(key)}: {setting} is not a finite number", hint="Leave it out instead."
            )
    return dict(policy)
