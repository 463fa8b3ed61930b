"""Drops whole days of the log: which days may go, what they contain, and what blocks dropping them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from psycopg.errors import InvalidParameterValue

from evtrack.domain.errors import CleanupRuns
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import one, rows, run, value
from evtrack.storage.connection.sql_files import latest_migration


@dataclass(frozen=True, slots=True)
class Day:
    """A day before the cut-off, and what it contains.

    Args:
        jobs: How many jobs it has.
        batches: How many batches they have.
        items: How many items they have.
        events: How many events they have by the projection; None where they were not counted.
        bytes: Its size on disk, with all tables and indexes.
        pins: How many of its jobs must stay.
        pinned_by: The first of them.
        pin: Why it must stay: its phase, `running`, or `ended lately`.
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
    """The database that archived rows come from.

    Args:
        system_identifier: The cluster.
        server_version: PostgreSQL's version number.
        schema_version: The newest migration of this code.
    """

    system_identifier: str
    database: str
    server_version: int
    schema_version: int


class Blocker(NamedTuple):
    """The session that has used the log's tables for longest in an open transaction."""

    pid: int
    application: str
    open_s: float


class _DutyHolder(NamedTuple):
    pid: int
    held: bool


class _WorkerName(NamedTuple):
    job_id: int
    worker_id: int
    name: str


@contextmanager
def cleanup_lock(conn: Connection) -> Iterator[None]:
    """Be the only session that drops or restores days, until the block ends.

    Yields:
        Nothing.

    Raises:
        CleanupRuns: Another session has the lock.
    """
    holder = one(conn, _DutyHolder, "lock_cleanup")
    if holder is None or not holder.held:
        who = "" if holder is None else f" (process {holder.pid})"
        raise CleanupRuns(
            f"Another cleanup or restore is running on this database{who}.",
            hint="Wait for it to end; the next cleanup takes what it leaves.",
        )
    try:
        yield
    finally:
        if not conn.closed:
            run(conn, "unlock_cleanup")


def prepare_session(conn: Connection) -> None:
    """Set up a session for reading and dropping days while others work."""
    run(conn, "adopt_log")
    run(conn, "configure_cleanup")
    # Lets the server soon notice that a cleanup was killed, so the next one need not wait for it; not every platform
    # can, and the others reject the setting.
    with suppress(InvalidParameterValue):
        conn.execute("SET client_connection_check_interval = '1s'")


def time_ago(conn: Connection, seconds: float) -> datetime:
    """Return the time so many seconds ago, by the database's clock.

    Args:
        seconds: How many.
    """
    at: datetime = value(conn, "server_time", seconds_ago=seconds)
    return at


def retention_days(conn: Connection, ended_before: datetime, *, counted: bool = False) -> list[Day]:
    """Read which days lie completely before a time.

    Args:
        ended_before: A job that ended later pins its day.
        counted: Whether to count events too, which reads one row per batch.

    Returns:
        The days, oldest first.
    """
    return rows(conn, Day, "retention_days", ended_before=ended_before, counted=counted)


def day_changed(conn: Connection, job_day: date, *, snapshot: str) -> bool:
    """Return whether a day has events that a snapshot did not see.

    Args:
        snapshot: The snapshot in which the day was read.
    """
    return bool(value(conn, "day_changed", job_day=job_day, seen=snapshot))


def drop_day(
    conn: Connection,
    job_day: date,
    *,
    ended_before: datetime,
    snapshot: str,
    jobs: Sequence[tuple[int, int, bytes]],
    archive: str | None,
) -> str:
    """Drop a day, its partitions and its jobs' rows, and write the jobs to the ledger in the same transaction.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        ended_before: When all of its jobs must have ended.
        snapshot: The snapshot in which the day was read.
        jobs: All of its jobs, with the number of their events and their digest.
        archive: The directory that its log was archived to.

    Returns:
        `dropped`; `busy` when a lock could not be taken; `changed` when the day is not the one that was read.
    """
    job_ids, event_counts, digests = (list(column) for column in zip(*jobs, strict=True)) if jobs else ([], [], [])
    return str(
        value(
            conn,
            "drop_day",
            job_day=job_day,
            ended_before=ended_before,
            seen=snapshot,
            job_ids=job_ids,
            event_counts=event_counts,
            digests=digests,
            archive=archive,
        )
    )


def worker_names(conn: Connection, workers: Mapping[int, Iterable[int]]) -> dict[int, dict[str, str]]:
    """Read the names of workers.

    Args:
        workers: By job, the workers that its events refer to.

    Returns:
        By job, the known names, by number as a JSON key.
    """
    pairs = [(job_id, worker_id) for job_id, ids in workers.items() for worker_id in ids]
    params = {"job_ids": [job_id for job_id, _ in pairs], "worker_ids": [worker_id for _, worker_id in pairs]}
    names: dict[int, dict[str, str]] = {}
    for each in rows(conn, _WorkerName, "worker_names", **params):
        names.setdefault(each.job_id, {})[str(each.worker_id)] = each.name
    return names


def forget_old(conn: Connection, ended_before: datetime) -> None:
    """Delete alerts and workers that nothing in the log refers to any more.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        ended_before: What ended later is kept in any case.
    """
    run(conn, "forget_old", ended_before=ended_before)


def find_blocker(conn: Connection) -> Blocker | None:
    """Find which session blocks the cleanup.

    Returns:
        The one that has used the log's tables for longest in an open transaction; None if there is none.
    """
    return one(conn, Blocker, "cleanup_blocker")


def origin(conn: Connection) -> Origin:
    """Read which database this is.

    Returns:
        What an archive records about its origin.
    """
    return Origin(
        system_identifier=value(conn, "system_identifier"),
        database=conn.info.dbname,
        server_version=conn.info.server_version,
        schema_version=latest_migration(),
    )
