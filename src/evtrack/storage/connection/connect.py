"""Opens connections to PostgreSQL."""

from types import TracebackType
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import scalar_row

from evtrack.domain.database_errors import CannotConnect
from evtrack.storage.connection.error_translation import connection_refused, translated
from evtrack.storage.connection.redact import without_secrets
from evtrack.storage.connection.session_settings import configure_session

Connection = psycopg.Connection[tuple[Any, ...]]


class _OwnConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that evtrack opened itself, and whether it goes through a pooler."""

    behind_pooler: bool = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Close without a rollback: the server rolls back what is open. psycopg would send one, and log a warning where
        # that fails: after Ctrl-C in a statement, or with an iterator left in the middle of a transaction.
        if error is not None:
            self.close()
        super().__exit__(kind, error, trace)


# A peer that vanishes silently (power cut, pulled cable) is noticed after about 25 s.
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

# Statements are prepared at their second use: every loop of evtrack runs the same few over and over.
_PREPARE_THRESHOLD = 1


def connect(dsn: str, *, purpose: str) -> Connection:
    """Open a connection in autocommit mode.

    Args:
        dsn: The connection string; what it sets overrides evtrack's defaults.
        purpose: What it is for, shown as application_name in pg_stat_activity.

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
    conn: _OwnConnection | None = None
    try:
        conn = _OwnConnection.connect(
            make_conninfo("", **params), autocommit=True, prepare_threshold=_PREPARE_THRESHOLD
        )
        conn.behind_pooler = configure_session(conn)
        if conn.behind_pooler:
            conn.prepare_threshold = None
    except psycopg.Error as error:
        if conn is not None:
            conn.close()
        refused = connection_refused(error, _target(given), str(given.get("dbname") or "evtrack"))
        raise CannotConnect(without_secrets(refused.message, dsn), hint=without_secrets(refused.hint, dsn)) from None
    return conn


def behind_pooler(conn: Connection) -> bool:
    """Return whether a pooler stands between a connection and the server.

    The session may then change from one transaction to the next, so nothing that belongs to a session can be relied
    on, whatever the pooler's mode: locks, LISTEN, prepared statements, settings. A pooler is recognized by the process
    id that it gives to clients, which is not the session's.

    Args:
        conn: A connection; if evtrack did not open it, the server is asked.
    """
    if isinstance(conn, _OwnConnection):
        return conn.behind_pooler
    with translated(), conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute("SELECT pg_backend_pid()").fetchone() != conn.info.backend_pid


def _target(given: dict[str, Any]) -> str:
    host = given.get("host") or given.get("hostaddr") or "the local socket"
    return f"{host}, port {given.get('port') or 5432}, database {given.get('dbname') or '(default)'}"
