"""Facts for a check-up: the server, rights, partitions, old transactions, clocks, and whether NOTIFY arrives."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psycopg import sql as compose
from psycopg.rows import class_row

from evtrack.storage.connection.connect import Connection, connect, translated
from evtrack.storage.connection.statements import statement

if TYPE_CHECKING:
    from datetime import date, datetime

Row = TypeVar("Row")

_CHANNEL: Final = "evtrack_doctor"


@dataclass(frozen=True, slots=True)
class Server:
    """What there is to know of the server, and of us on it."""

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
class Right:
    """A part to play, whether evtrack's role for it is there, and whether the present role may play it."""

    part: str
    role: str
    role_exists: bool
    i_may: bool


@dataclass(frozen=True, slots=True)
class OldTransaction:
    """A transaction that holds the horizon; prepared ones have a gid and no process."""

    pid: int
    database: str
    application: str
    state: str
    open_s: float
    gid: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """A handler whose batches wait for a reason that somebody has to do something about."""

    handler: str
    why: str
    jobs: int
    batches: int
    waited_s: float
    free_slots: int
    example_job_id: int


def server_facts(conn: Connection) -> Server:
    """Read what there is to know of the server."""
    return _rows(conn, Server, "server_facts")[0]


def rights(conn: Connection) -> list[Right]:
    """Read what the present role may do, and which of evtrack's roles are there."""
    return _rows(conn, Right, "rights")


def missing_rights(conn: Connection) -> dict[str, str]:
    """Read which rights evtrack's roles lack.

    Args:
        conn: An open connection.

    Returns:
        What each such role should be allowed to use and is not, names with commas between.
    """
    with translated():
        return dict(conn.execute(statement("missing_rights")).fetchall())


def days_ahead(conn: Connection) -> list[tuple[date, bool]]:
    """Read for which days from today on the log has a partition."""
    with translated():
        return [(day, made) for day, made in conn.execute(statement("days_ahead")).fetchall()]


def old_transactions(conn: Connection, *, older_s: float) -> list[OldTransaction]:
    """Read which transactions hold the horizon for longer than a while.

    Args:
        conn: An open connection.
        older_s: That while.

    Returns:
        The oldest few; of other roles only where this one may see them.
    """
    return _rows(conn, OldTransaction, "old_transactions", older_s=older_s)


def stuck(conn: Connection) -> list[Stuck]:
    """Read which handlers' batches wait for a reason that is no queue."""
    return _rows(conn, Stuck, "stuck")


def undelivered_alerts(conn: Connection) -> tuple[int, float]:
    """Read what no watcher has delivered.

    Args:
        conn: An open connection.

    Returns:
        How many alerts, and for how many seconds the oldest of them waits.
    """
    with translated():
        (row,) = conn.execute(statement("alert_outbox")).fetchall()
    return row[0], row[1]


def server_time(conn: Connection) -> datetime:
    """Read the server's clock."""
    with translated():
        row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return row[0]  # type: ignore[no-any-return]


def notification_arrives(conn: Connection, dsn: str, *, timeout_s: float) -> bool:
    """Listen on one connection, notify on another, and see what comes.

    Args:
        conn: Where to listen.
        dsn: Where the other connection leads.
        timeout_s: How long to wait.

    Returns:
        Whether the notification came.
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


def _rows(conn: Connection, row_type: type[Row], name: str, **params: Any) -> list[Row]:
    with translated(), conn.cursor(row_factory=class_row(row_type)) as cursor:
        return cursor.execute(statement(name), params).fetchall()
