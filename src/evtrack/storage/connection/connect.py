"""Opens connections to PostgreSQL."""

import os
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import scalar_row

from evtrack.domain.database_errors import CannotConnect
from evtrack.storage.connection.error_translation import connection_refused, translated
from evtrack.storage.connection.own_connection import OwnConnection
from evtrack.storage.connection.redact import without_secrets
from evtrack.storage.connection.session_settings import configure_session

Connection = psycopg.Connection[tuple[Any, ...]]


# A peer that vanishes silently (power cut, pulled cable) is noticed after about 25 s.
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_FIRST_ANSWER_S: Final = 30.0
"""How long a server that let us in may take to configure the session."""

_TAKES_WRITES: Final = "target_session_attrs"
_READ_ONLY: Final = "read-only"  # in libpq's words for a server that takes no writes, and in PostgreSQL's

# Statements are prepared at their second use: every loop of evtrack runs the same few over and over.
_PREPARE_THRESHOLD = 1


def connect(dsn: str, *, purpose: str, reads: bool = False, answer_s: float | None = None) -> Connection:
    """Open a connection in autocommit mode.

    Where several hosts are named, only a server that accepts writes will do, so that a standby which answers first is
    passed over; `target_session_attrs` in the connection string or in the environment decides otherwise.

    Args:
        dsn: The connection string; what it sets overrides evtrack's defaults.
        purpose: What it is for, shown as application_name in pg_stat_activity.
        reads: Whether the connection only reads: then a standby will do if no server accepts writes.
        answer_s: How long the server may stay silent in a statement before the connection counts as lost; None for as
            long as it takes. `bound_answers` changes it.

    Returns:
        The connection, with the session's settings and keep-alives configured. Statements are prepared at their second
        use, behind a pooler never.

    Raises:
        CannotConnect: The server cannot be reached or refuses the connection.
    """
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(dsn))
    except psycopg.Error as error:
        raise CannotConnect(
            f"Not a valid connection string: {without_secrets(str(error).strip(), dsn)}",
            hint="Write it like postgresql://user:password@host:5432/database or host=... dbname=...",
        ) from None
    params: dict[str, Any] = {**_DEFAULTS, **given, "application_name": f"evtrack {purpose}", "client_encoding": "UTF8"}
    wants_writes = _names_several_hosts(given) and _TAKES_WRITES not in given
    try:
        conn = _opened(params, (dsn, purpose), wants_writes=wants_writes, reads=reads)
    except psycopg.Error as error:
        refused = connection_refused(error, _target(given), str(given.get("dbname") or "evtrack"))
        raise CannotConnect(
            without_secrets(refused.message, dsn),
            hint=without_secrets(refused.hint, dsn),
            ends_by_itself=refused.ends_by_itself,
        ) from None
    conn.answer_s = answer_s
    return conn


def bound_answers(conn: Connection, answer_s: float) -> None:
    """Limit how long the server may stay silent in a statement before the connection counts as lost.

    The server's own limits end what runs too long; this one is for a server that hangs itself while its host still
    acknowledges packets, so that no keep-alive fails. Without effect on a connection that evtrack did not open.

    Args:
        conn: The connection.
        answer_s: How long; longer than the session's statement_timeout.
    """
    if isinstance(conn, OwnConnection):
        conn.answer_s = answer_s


def reconnect(conn: Connection) -> Connection | None:
    """Open a connection like one that was lost, and close that.

    Args:
        conn: The lost connection.

    Returns:
        The new connection; None if evtrack did not open the lost one, which is then its user's to replace.

    Raises:
        CannotConnect: The server cannot be reached or refuses the connection.
    """
    if not isinstance(conn, OwnConnection):
        return None
    conn.close()
    dsn, purpose = conn.opened_with
    return connect(dsn, purpose=purpose)


def _opened(
    params: Mapping[str, Any], opened_with: tuple[str, str], *, wants_writes: bool, reads: bool
) -> OwnConnection:
    if not wants_writes:
        return _configured(params, opened_with)
    try:
        return _configured({**params, _TAKES_WRITES: "read-write"}, opened_with)
    except psycopg.OperationalError as error:
        if not reads or _READ_ONLY not in str(error):
            raise
        return _configured({**params, _TAKES_WRITES: "any"}, opened_with)


def _configured(params: Mapping[str, Any], opened_with: tuple[str, str]) -> OwnConnection:
    conn = OwnConnection.connect(make_conninfo("", **params), autocommit=True, prepare_threshold=_PREPARE_THRESHOLD)
    conn.answer_s = _FIRST_ANSWER_S
    try:
        conn.opened_with = opened_with
        conn.behind_pooler = configure_session(conn)
    except psycopg.Error:
        conn.close()
        raise
    if conn.behind_pooler:
        conn.prepare_threshold = None
    return conn


def _names_several_hosts(given: Mapping[str, Any]) -> bool:
    """Return whether libpq has several hosts to try, and nobody has chosen among them."""
    if "PGTARGETSESSIONATTRS" in os.environ:
        return False
    named = [given.get(name) or os.environ.get(f"PG{name.upper()}") or "" for name in ("hostaddr", "host")]
    return any("," in str(hosts) for hosts in named)


def behind_pooler(conn: Connection) -> bool:
    """Return whether a pooler stands between a connection and the server.

    The session may then change from one transaction to the next, so nothing that belongs to a session can be relied
    on, whatever the pooler's mode: locks, LISTEN, prepared statements, settings. A pooler is recognized by the process
    id that it gives to clients, which is not the session's.

    Args:
        conn: A connection; if evtrack did not open it, the server is asked.
    """
    if isinstance(conn, OwnConnection):
        return conn.behind_pooler
    with translated(), conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute("SELECT pg_backend_pid()").fetchone() != conn.info.backend_pid


def _target(given: dict[str, Any]) -> str:
    host = given.get("host") or given.get("hostaddr") or "the local socket"
    return f"{host}, port {given.get('port') or 5432}, database {given.get('dbname') or '(default)'}"
