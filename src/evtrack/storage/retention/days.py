"""Days of the log as wholes: what they hold, which of them may go, and their end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from psycopg.errors import InvalidParameterValue
from psycopg.rows import class_row

from evtrack.domain.errors import CleanupRuns
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.statements import latest_migration, statement

_LOCK_TIMEOUT: Final = "10s"


@dataclass(frozen=True, slots=True)
class Day:
    """A day that lies before the cut-off, and what it holds.

    Args:
        job_day: The day.
        jobs: How many jobs it has.
        batches: How many batches they have.
        items: How many items.
        events: How many events, by the projection; None where they were not counted.
        bytes: Its size on disk, all tables and indexes.
        pins: How many of its jobs must stay.
        pinned_by: The first of them.
        pin: Why: its phase, `running`, or `ended lately`.
    """

    job_day: date
    jobs: int
    batches: int
    items: int
    events: int | None
    bytes: int
    pins: int
    pinned_by: int | None
    pin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Say which database rows come from.

    Args:
        system_identifier: The cluster.
        database: The database's name.
        server_version: PostgreSQL's version number.
        schema_version: The newest migration that this code knows.
    """

    system_identifier: str
    database: str
    server_version: int
    schema_version: int


@contextmanager
def alone(conn: Connection) -> Iterator[None]:
    """Be the only one that drops or restores days, for as long as the block runs.

    Args:
        conn: A connection in autocommit mode.

    Yields:
        Nothing.

    Raises:
        CleanupRuns: Another is at it.
    """
    row = conn.execute(statement("hold_cleanup")).fetchone()
    if not row or not row[0]:
        holder = conn.execute(statement("cleanup_holder")).fetchone()
        who = f" (process {holder[0]})" if holder else ""
        raise CleanupRuns(
            f"Another cleanup or restore is at work on this database{who}.",
            hint="Let it end; what it leaves, the next one takes.",
        )
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute(statement("release_cleanup"))


def prepare(conn: Connection) -> None:
    """Set a session up for reading and dropping days beside others.

    Args:
        conn: A connection in autocommit mode.
    """
    conn.execute(statement("settle_log"))
    # Whoever has a day for himself, as an owner can, is not waited for without end.
    conn.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
    # Streams are read by the primary key: a sort would work at full speed whatever the reader's pace, and spill.
    conn.execute("SET enable_sort = off")
    # The server soon sees that a killed cleanup is gone, and the next one need not wait for it. Not every platform can.
    with suppress(InvalidParameterValue):
        conn.execute("SET client_connection_check_interval = '1s'")


def time_ago(conn: Connection, seconds: float) -> datetime:
    """Return the time so many seconds ago, by the database's clock.

    Args:
        conn: An open connection.
        seconds: How long ago.
    """
    row = conn.execute("SELECT clock_timestamp() - %s * interval '1 second'", [seconds]).fetchone()
    assert row is not None, "a SELECT without FROM returns a row"  # noqa: S101
    at: datetime = row[0]
    return at


def retention_days(conn: Connection, ended_before: datetime, *, counted: bool = False) -> list[Day]:
    """Read which days lie before a time as a whole.

    Args:
        conn: An open connection.
        ended_before: A job that ended later pins its day.
        counted: Whether to count events too, which reads a row a batch.

    Returns:
        The days, the oldest first.
    """
    with conn.cursor(row_factory=class_row(Day)) as cursor:
        return cursor.execute(
            statement("retention_days"), {"ended_before": ended_before, "counted": counted}
        ).fetchall()


def day_changed(conn: Connection, job_day: date, *, snapshot: str) -> bool:
    """Tell whether a day has events that a snapshot did not see.

    Args:
        conn: An open connection.
        job_day: The day.
        snapshot: In which the day was read.
    """
    row = conn.execute(statement("day_changed"), {"job_day": job_day, "seen": snapshot}).fetchone()
    return bool(row and row[0])


def drop_day(
    conn: Connection,
    job_day: date,
    *,
    ended_before: datetime,
    snapshot: str,
    jobs: Sequence[tuple[int, int, bytes]],
    archive: str | None,
) -> str:
    """Drop a day, once: its partitions, its jobs' rows; their lines enter the ledger in the same transaction.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        job_day: The day.
        ended_before: When all of its jobs must have ended.
        snapshot: In which the day was read.
        jobs: All of its jobs, with the number of their events and their digest.
        archive: The folder that its log was written to.

    Returns:
        `dropped`; `busy` when a lock was not to be had; `changed` when the day is not what was read.
    """
    params = {
        "job_day": job_day,
        "ended_before": ended_before,
        "seen": snapshot,
        "job_ids": [job[0] for job in jobs],
        "event_counts": [job[1] for job in jobs],
        "digests": [job[2] for job in jobs],
        "archive": archive,
    }
    row = conn.execute(statement("drop_day"), params).fetchone()
    assert row is not None, "drop_day returns one row"  # noqa: S101
    return str(row[0])


def worker_names(conn: Connection, workers: Mapping[int, Iterable[int]]) -> dict[int, dict[str, str]]:
    """Read what workers are called.

    Args:
        conn: An open connection.
        workers: By job, the workers that its events name.

    Returns:
        By job, the names that are known, by number as JSON has it.
    """
    named = [(job_id, worker_id) for job_id, ids in workers.items() for worker_id in ids]
    params = {"job_ids": [job_id for job_id, _ in named], "worker_ids": [worker_id for _, worker_id in named]}
    found: dict[int, dict[str, str]] = {}
    for job_id, worker_id, name in conn.execute(statement("worker_names"), params):
        found.setdefault(job_id, {})[str(worker_id)] = name
    return found


def forget_old(conn: Connection, ended_before: datetime) -> None:
    """Forget alerts and workers that nothing which is kept refers to.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        ended_before: What ended later is kept in any case.
    """
    conn.execute(statement("forget_old"), {"ended_before": ended_before})


def parent_holder(conn: Connection) -> tuple[int, str, float] | None:
    """Find who has used the log's tables for longest in an open transaction.

    Args:
        conn: An open connection.

    Returns:
        Its process, its application and for how many seconds; None if nobody does.
    """
    row = conn.execute(statement("parent_holder")).fetchone()
    return None if row is None else (row[0], row[1], row[2])


def origin(conn: Connection) -> Origin:
    """Read which database this is.

    Args:
        conn: An open connection.

    Returns:
        What an archive says of where it comes from.
    """
    row = conn.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row is not None, "pg_control_system returns one row"  # noqa: S101
    return Origin(
        system_identifier=row[0],
        database=conn.info.dbname,
        server_version=conn.info.server_version,
        schema_version=latest_migration(),
    )
