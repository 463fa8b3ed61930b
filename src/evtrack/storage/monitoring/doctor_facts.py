"""Facts for `evtrack doctor`: the server, rights, partitions, old transactions, clocks, whether NOTIFY arrives."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg import sql as compose

from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import mapping, rows, value

if TYPE_CHECKING:
    from datetime import date, datetime

_CHANNEL: Final = "evtrack_doctor"


@dataclass(frozen=True, slots=True)
class Server:
    """The server's properties, and those of this role on it."""

    version_num: int
    version: str
    standby: bool
    encoding: str
    durable: bool
    synchronous_commit: str
    max_connections: int
    connections: int
    role: str
    sees_all: bool


@dataclass(frozen=True, slots=True)
class PartitionLocks:
    """How many tables and indexes the days have, and how many locks the server has room for.

    Args:
        per_transaction: The server's max_locks_per_transaction.
        transactions: How many transactions the server can run at once.
    """

    days: int
    relations: int
    per_transaction: int
    transactions: int


@dataclass(frozen=True, slots=True)
class Right:
    """One of evtrack's roles, whether it exists, and whether the current user has its rights."""

    part: str
    role: str
    role_exists: bool
    i_may: bool


@dataclass(frozen=True, slots=True)
class OldTransaction:
    """A transaction that holds back the horizon; prepared ones have a gid and no process."""

    pid: int
    database: str
    application: str
    state: str
    open_s: float
    gid: str


class DayAhead(NamedTuple):
    """A day from today on, and whether the log has a partition for it."""

    day: date
    made: bool


@dataclass(frozen=True, slots=True)
class Stuck:
    """A handler whose batches wait for a reason that an operator has to resolve."""

    handler: str
    why: str
    jobs: int
    batches: int
    waited_s: float
    free_slots: int
    example_job_id: int


def partition_locks(conn: Connection) -> PartitionLocks:
    """Count what a call for all days may lock."""
    return rows(conn, PartitionLocks, "partition_locks")[0]


def server_facts(conn: Connection) -> Server:
    """Read the server's properties."""
    return rows(conn, Server, "server_facts")[0]


def rights(conn: Connection) -> list[Right]:
    """Read which of evtrack's roles exist, and which rights the current user has."""
    return rows(conn, Right, "rights")


def missing_rights(conn: Connection) -> dict[str, str]:
    """Read which rights evtrack's roles lack.

    Returns:
        What each such role should have the right to use and does not, names separated by commas.
    """
    return mapping(conn, "missing_rights")


def days_ahead(conn: Connection) -> list[DayAhead]:
    """Read for which days from today on the log has a partition."""
    return rows(conn, DayAhead, "days_ahead")


def old_transactions(conn: Connection, *, older_s: float) -> list[OldTransaction]:
    """Read which transactions hold back the horizon.

    Args:
        older_s: For longer than how many seconds.

    Returns:
        The oldest few; those of other roles only where the current user may see them.
    """
    return rows(conn, OldTransaction, "old_transactions", older_s=older_s)


def stuck(conn: Connection) -> list[Stuck]:
    """Read which handlers' batches wait for a reason that an operator has to resolve."""
    return rows(conn, Stuck, "stuck")


def server_time(conn: Connection) -> datetime:
    """Read the server's clock."""
    now: datetime = value(conn, "server_time", seconds_ago=0.0)
    return now


def notification_arrives(conn: Connection, dsn: str, *, timeout_s: float) -> bool:
    """Listen on one connection, notify on another, and check that the notification arrives.

    Args:
        conn: Where to listen.
        dsn: The database, for the other connection.
        timeout_s: How long to wait.

    Returns:
        Whether it arrived.
    """
    token = secrets.token_hex(8)
    with translated():
        conn.execute(compose.SQL("LISTEN {}").format(compose.Identifier(_CHANNEL)))
        try:
            with connect(dsn, purpose="doctor") as other:
                other.execute("SELECT pg_notify(%s, %s)", [_CHANNEL, token])
            return any(notice.payload == token for notice in conn.notifies(timeout=timeout_s, stop_after=1))
        finally:
            conn.execute(compose.SQL("UNLISTEN {}").format(compose.Identifier(_CHANNEL)))
