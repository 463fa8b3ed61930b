"""Proves that the projection follows from the log: replays it and compares, one job at a time, each in one snapshot."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import set_json_loads
from pydantic import ValidationError

from evtrack.domain.batch_projection import BatchState
from evtrack.domain.column_types import BIGINT_MIN
from evtrack.domain.job_projection import JobState
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.policy import Policy
from evtrack.domain.proof.job_proof import JobProof, ProjectedStream
from evtrack.domain.proof.stream_proof import LINK_BYTES, Difference, StreamProof
from evtrack.domain.states import BatchStatus, Isolation, JobPhase
from evtrack.domain.stored_event import LoggedEvent
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import mapping, value
from evtrack.storage.connection.sql_files import statement

if TYPE_CHECKING:
    from psycopg.abc import Buffer

_PAGE = 2000
_PROGRESS_EVERY = 10_000


class _AnyTime(TimestamptzLoader):
    """Reads a timestamp outside of the calendar as the last one, to report it and still check the rest."""

    def load(self, data: "Buffer") -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return datetime.max.replace(tzinfo=UTC)


def _any_json(written: str | bytes) -> Any:
    """Parse JSON; what is nested too deep, or has a number that is too long, stays text."""
    try:
        return json.loads(written)
    except (RecursionError, ValueError):
        return written.decode() if isinstance(written, bytes) else written


OnProgress = Callable[[int, int], None]
"""Called from time to time with the job and how many of its events are checked."""


class Repair(Protocol):
    """Receives the state that the log proves for each stream, with the differences found."""

    def batch(self, stream: StreamProof[BatchState], found: list[Difference]) -> None:
        """Receive a batch."""

    def job(self, proof: JobProof, job_stream: StreamProof[JobState], found: list[Difference]) -> None:
        """Receive the job, after its batches."""


def verify(
    conn: Connection, job_id: int | None = None, *, on_progress: OnProgress = lambda _job, _events: None
) -> Iterator[Difference]:
    """Compare the projection and the counters with the log, and the log with its digests.

    Each job is read in its own snapshot, so workers may run meanwhile; memory does not grow with the log. The
    connection must be in autocommit mode, and its role must have the right to read the tables.

    Args:
        job_id: One job; all if None.
        on_progress: Called with the progress.

    Yields:
        The differences.
    """
    for number in jobs(conn) if job_id is None else [job_id]:
        with translated(), conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield from prove(conn, number, on_progress=on_progress)


def jobs(conn: Connection) -> Iterator[int]:
    """Find all jobs, also those whose row is gone but other rows are left.

    Yields:
        Their ids, ascending.
    """
    after = BIGINT_MIN
    while (job_id := value(conn, "next_job", after=after)) is not None:
        after = job_id
        yield after


def prove(
    conn: Connection, job_id: int, *, on_progress: OnProgress, repair: Repair | None = None
) -> Iterator[Difference]:
    """Check one job, in the open transaction.

    Args:
        conn: A connection in a transaction.
        on_progress: Called with the progress.
        repair: Receives what the log proves.

    Yields:
        The differences.
    """
    job_day, projected = _projected_job(conn, job_id)
    proof = JobProof(job_id=job_id, job_day=job_day)
    streams = _streams(conn, job_id)
    number, rows, _ = next(streams, (0, iter(()), None))
    job_stream, found = proof.check_job_stream(rows if number == 0 else (), projected)
    yield from found
    on_progress(job_id, proof.events)
    report_at = _PROGRESS_EVERY
    for number, rows, kept_batch in streams:
        stream, wrong = proof.check_batch_stream(number, rows, kept_batch)
        if repair is not None:
            repair.batch(stream, wrong)
        yield from wrong
        if proof.events >= report_at:
            on_progress(job_id, proof.events)
            report_at = proof.events + _PROGRESS_EVERY
    counters = mapping(conn, "proof_sums", job_id=job_id)
    wrong = proof.finish(job_stream, counters, value(conn, "proof_payload_rows", job_id=job_id))
    wrong += [
        Difference(
            job_id=job_id, batch_no=0, field="fresh_after", log=f"{batch_no - 1} at most", projection=str(fresh_after)
        )
        for batch_no, fresh_after in mapping(conn, "proof_hidden_batch", job_id=job_id).items()
    ]
    if repair is not None:
        repair.job(proof, job_stream, [*found, *wrong])
    yield from wrong
    on_progress(job_id, proof.events)


def _streams(conn: Connection, job_id: int) -> Iterator[tuple[int, Iterator[LoggedEvent], ProjectedStream | None]]:
    """Pair the events of each stream with its row, by number; the job's own stream always comes first."""
    groups = groupby(_stream_rows(conn, "proof_events", job_id, class_row(LoggedEvent)), key=lambda row: row.batch_no)
    batches = _stream_rows(conn, "proof_batches", job_id, dict_row)
    group, batch = next(groups, None), next(batches, None)
    if group is None or group[0] != 0:
        yield 0, iter(()), None
    while group is not None or batch is not None:
        if batch is None or (group is not None and group[0] < batch["batch_no"]):
            assert group is not None  # noqa: S101  # the loop's condition
            yield group[0], group[1], None
            group = next(groups, None)
        elif group is None or batch["batch_no"] < group[0]:
            yield batch["batch_no"], iter(()), _projected_batch(batch)
            batch = next(batches, None)
        else:
            yield group[0], group[1], _projected_batch(batch)
            group, batch = next(groups, None), next(batches, None)


def _stream_rows(conn: Connection, name: str, job_id: int, factory: Any) -> Iterator[Any]:
    # A cursor in the server: memory does not grow with the job.
    cursor: psycopg.ServerCursor[Any]
    with translated(), conn.cursor(f"evtrack_{name}", row_factory=factory) as cursor:
        cursor.itersize = _PAGE
        _accept_any_value(cursor)
        yield from cursor.execute(statement(name), {"job_id": job_id})


def _accept_any_value(cursor: psycopg.Cursor[Any]) -> None:
    cursor.adapters.register_loader("timestamptz", _AnyTime)
    set_json_loads(_any_json, cursor)


def _projected_batch(row: dict[str, Any]) -> ProjectedStream:
    values = {each.name: row[each.name] for each in fields(BatchState)}
    try:
        ordinals: Any = Ordinals.parse(row["ordinals"])
    except ValueError:
        ordinals = row["ordinals"]
    values |= {"status": BatchStatus(row["status"]), "isolation": Isolation(row["isolation"]), "ordinals": ordinals}
    return ProjectedStream(BatchState(**values), row["version"], row["links"])


def _projected_job(conn: Connection, job_id: int) -> tuple[date | None, ProjectedStream | None]:
    with translated(), conn.cursor(row_factory=dict_row) as cursor:
        _accept_any_value(cursor)
        row = cursor.execute(statement("proof_job"), {"job_id": job_id}).fetchone()
    if row is None:
        return None, None
    values = {each.name: row[each.name] for each in fields(JobState)}
    try:
        policy: Any = Policy.model_validate(row["policy"])
    except ValidationError:
        policy = row["policy"]
    values |= {"phase": JobPhase(row["phase"]), "policy": policy}
    return row["job_day"], ProjectedStream(
        JobState(**values), row["version"], _job_links(conn, job_id, row["links"]), row["digest_form"]
    )


def _job_links(conn: Connection, job_id: int, newest: bytes | None) -> bytes | None:
    """Join the digests that were moved out of the job's row with those in it, with zeros for missing ones."""
    links = bytearray()
    for first, moved in mapping(conn, "proof_job_links", job_id=job_id).items():
        links += bytes(max(0, (first - 1) * LINK_BYTES - len(links))) + moved
    return bytes(links + (newest or b"")) or None
