"""Replays the log and holds the projection against it, job by job, each as one snapshot sees it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import set_json_loads
from pydantic import ValidationError

from evtrack.domain.batch_projection import BatchState
from evtrack.domain.column_limits import BIGINT_MIN
from evtrack.domain.job_projection import Job
from evtrack.domain.job_proof import JobProof, Kept
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.retry import Policy
from evtrack.domain.states import BatchStatus, JobPhase
from evtrack.domain.stream_proof import LINK_BYTES, Difference, LoggedEvent, StreamProof
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.statements import statement

if TYPE_CHECKING:
    from psycopg.abc import Buffer

_PAGE = 2000
_TELL_EVERY = 10_000

T = TypeVar("T")


class _AnyTime(TimestamptzLoader):
    """Reads a time that no calendar has as the last one, so that it is told and the rest is looked at."""

    def load(self, data: "Buffer") -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return datetime.max.replace(tzinfo=UTC)


def _any_json(said: str | bytes) -> Any:
    """Read JSON; what is nested too deep, or has a number too long, stays the text that it is."""
    try:
        return json.loads(said)
    except (RecursionError, ValueError):
        return said.decode() if isinstance(said, bytes) else said


Told = Callable[[int, int], None]
"""Is told the job and how many of its events are checked, now and then."""


class Keeper(Protocol):
    """Is shown what the log says of each stream, with what was found."""

    def batch(self, stream: StreamProof[BatchState], found: list[Difference]) -> None:
        """Take a batch."""

    def job(self, proof: JobProof, own: StreamProof[Job], found: list[Difference]) -> None:
        """Take the job, after its batches."""


def verify(
    conn: Connection, job_id: int | None = None, *, told: Told = lambda _job, _events: None
) -> Iterator[Difference]:
    """Hold the projection and the counters against the log, and the log against its digests.

    Each job is read in a snapshot of its own, so that workers may be at work meanwhile; memory does not grow with the
    log. The connection must be in autocommit mode, and its role must be allowed to read the tables.

    Args:
        conn: An open connection.
        job_id: One job; all if None.
        told: Is told how far it is.

    Yields:
        What is wrong.
    """
    for number in jobs(conn) if job_id is None else [job_id]:
        with conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield from prove(conn, number, told=told)


def jobs(conn: Connection) -> Iterator[int]:
    """Find the jobs of which there is anything, also where their row is gone.

    Args:
        conn: An open connection.

    Yields:
        Their ids, rising.
    """
    after = BIGINT_MIN
    while (row := conn.execute(statement("proof_next_job"), {"after": after}).fetchone()) and row[0] is not None:
        after = row[0]
        yield after


def prove(conn: Connection, job_id: int, *, told: Told, keeper: Keeper | None = None) -> Iterator[Difference]:
    """Check one job, in the transaction that is open.

    Args:
        conn: A connection in a transaction.
        job_id: The job.
        told: Is told how far it is.
        keeper: Is shown what the log says.

    Yields:
        What is wrong.
    """
    kept = _kept_job(conn, job_id)
    proof = JobProof(job_id=job_id, job_day=None if kept is None else kept[0])
    streams = _streams(conn, job_id)
    number, rows, _ = next(streams, (0, iter(()), None))
    own, found = proof.own(rows if number == 0 else (), None if kept is None else kept[1])
    yield from found
    told(job_id, proof.events)
    tell_at = _TELL_EVERY
    for number, rows, kept_batch in streams:
        stream, wrong = proof.batch(number, rows, kept_batch)
        if keeper is not None:
            keeper.batch(stream, wrong)
        yield from wrong
        if proof.events >= tell_at:
            told(job_id, proof.events)
            tell_at = proof.events + _TELL_EVERY
    wrong = proof.end(own, _sums(conn, job_id), _payload_rows(conn, job_id))
    if keeper is not None:
        keeper.job(proof, own, [*found, *wrong])
    yield from wrong
    told(job_id, proof.events)


def _streams(conn: Connection, job_id: int) -> Iterator[tuple[int, Iterator[LoggedEvent], Kept | None]]:
    """Bring the events of each stream together with its row, by number; the job's own comes first in any case."""
    groups = groupby(_rows(conn, "proof_events", job_id, class_row(LoggedEvent)), key=lambda row: row.batch_no)
    batches = _rows(conn, "proof_batches", job_id, dict_row)
    group, batch = next(groups, None), next(batches, None)
    if group is None or group[0] != 0:
        yield 0, iter(()), None
    while group is not None or batch is not None:
        if batch is None or (group is not None and group[0] < batch["batch_no"]):
            assert group is not None  # noqa: S101  # the loop's condition
            yield group[0], group[1], None
            group = next(groups, None)
        elif group is None or batch["batch_no"] < group[0]:
            yield batch["batch_no"], iter(()), _kept_batch(batch)
            batch = next(batches, None)
        else:
            yield group[0], group[1], _kept_batch(batch)
            group, batch = next(groups, None), next(batches, None)


def _rows(conn: Connection, name: str, job_id: int, factory: Any) -> Iterator[Any]:
    cursor: psycopg.ServerCursor[Any]
    with conn.cursor(f"evtrack_{name}", row_factory=factory) as cursor:
        cursor.itersize = _PAGE
        _take_anything(cursor)
        yield from cursor.execute(statement(name), {"job_id": job_id})


def _take_anything(cursor: psycopg.Cursor[Any]) -> None:
    cursor.adapters.register_loader("timestamptz", _AnyTime)
    set_json_loads(_any_json, cursor)


def _kept_batch(row: dict[str, Any]) -> Kept:
    values = {each.name: row[each.name] for each in fields(BatchState)}
    try:
        ordinals: Any = Ordinals.parse(row["ordinals"])
    except ValueError:
        ordinals = row["ordinals"]
    values |= {"status": BatchStatus(row["status"]), "ordinals": ordinals}
    return Kept(BatchState(**values), row["version"], row["links"])


def _kept_job(conn: Connection, job_id: int) -> tuple[Any, Kept] | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        _take_anything(cursor)
        row = cursor.execute(statement("proof_job"), {"job_id": job_id}).fetchone()
    if row is None:
        return None
    values = {each.name: row[each.name] for each in fields(Job)}
    try:
        policy: Any = Policy.model_validate(row["policy"])
    except ValidationError:
        policy = row["policy"]
    values |= {"phase": JobPhase(row["phase"]), "policy": policy}
    return row["job_day"], Kept(Job(**values), row["version"], _job_links(conn, job_id, row["links"]))


def _job_links(conn: Connection, job_id: int, newest: bytes | None) -> bytes | None:
    """Put the digests that have moved out of the job's row and those in it together, with zeros where some are gone."""
    links = bytearray()
    for first, moved in conn.execute(statement("proof_job_links"), {"job_id": job_id}):
        links += bytes(max(0, (first - 1) * LINK_BYTES - len(links))) + moved
    return bytes(links + (newest or b"")) or None


def _sums(conn: Connection, job_id: int) -> dict[str, int]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("proof_sums"), {"job_id": job_id}).fetchall()[0]


def _payload_rows(conn: Connection, job_id: int) -> int | None:
    row = conn.execute(statement("proof_payload_rows"), {"job_id": job_id}).fetchone()
    return None if row is None else int(row[0])
