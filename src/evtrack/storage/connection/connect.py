"""Which PostgreSQL is meant, how to connect to it, and whether its schema fits this code."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import psycopg
from psycopg import sql as compose
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

from evtrack.config import Settings
from evtrack.domain.errors import BadArgument, CannotConnect, ReadOnly, SchemaMissing, SchemaTooNew, SchemaTooOld
from evtrack.domain.text import quoted
from evtrack.storage.connection import statements
from evtrack.storage.connection.redact import without_secrets
from evtrack.storage.connection.session_settings import settle
from evtrack.storage.connection.sqlstates import refused, translation
from evtrack.version import __version__

Connection = psycopg.Connection[tuple[Any, ...]]


class _Own(psycopg.Connection[tuple[Any, ...]]):
    """A connection that evtrack has opened itself, and what it has seen of it then."""

    behind_pooler: bool = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closed as it is: the server rolls back what is open. psycopg would ask for that, and say in the log that it
        # cannot where an iterator was left in the midst of a transaction, or where Ctrl-C has broken off a statement.
        if error is not None:
            self.close()
        super().__exit__(kind, error, trace)


# A peer that vanished without a word (power cut, pulled cable) is noticed after about 25 s.
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


@dataclass(frozen=True, slots=True)
class Source:
    """Say which server is meant.

    Args:
        kind: "configured" for a server that exists already, "embedded" for our own.
        dsn: Its connection string; None while the embedded server is not up.
        told_by: What named it, for messages.
    """

    kind: Literal["configured", "embedded"]
    dsn: str | None
    told_by: str


def resolve(settings: Settings) -> Source:
    """Decide where PostgreSQL comes from: --dsn or EVTRACK_DSN, DATABASE_URL, libpq's PG*, else the embedded server.

    Args:
        settings: The process's settings.

    Returns:
        The source; nothing is started or connected.
    """
    if settings.dsn:
        return Source("configured", settings.dsn, "--dsn or EVTRACK_DSN")
    if settings.database_url:
        return Source("configured", settings.database_url, "DATABASE_URL")
    if settings.pg_variables:
        return Source("configured", _dsn_of_libpq(), ", ".join(settings.pg_variables))
    return Source("embedded", None, "the embedded server")


def _dsn_of_libpq() -> str:
    """Return what libpq takes from PG*, without the password, which libpq finds again by itself."""
    known = ("service", "host", "hostaddr", "port", "dbname", "user")
    values = {option.keyword.decode(): option.val for option in psycopg.pq.Conninfo.get_defaults()}
    return make_conninfo(**{name: value.decode() for name in known if (value := values.get(name))})


def connect(dsn: str, *, purpose: str) -> Connection:
    """Open a connection in autocommit mode.

    Args:
        dsn: The connection string; what it says goes before evtrack's defaults.
        purpose: What it is for, shown as application_name in pg_stat_activity.

    Returns:
        The connection: settings that others may have made put right, keep-alives set, statements prepared at their
        second use; behind a pooler never.

    Raises:
        CannotConnect: If the server cannot be reached or does not let us in.
    """
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(dsn))
    except psycopg.Error as error:
        raise CannotConnect(
            f"This is no connection string: {without_secrets(str(error).strip(), dsn)}",
            hint="Write it like postgresql://user:password@host:5432/database or host=... dbname=...",
        ) from None
    params: dict[str, Any] = {**_DEFAULTS, **given, "application_name": f"evtrack {purpose}", "client_encoding": "UTF8"}
    conn: _Own | None = None
    try:
        conn = _Own.connect(make_conninfo("", **params), autocommit=True, prepare_threshold=_PREPARE_THRESHOLD)
        conn.behind_pooler = settle(conn)
        if conn.behind_pooler:
            conn.prepare_threshold = None
    except psycopg.Error as error:
        if conn is not None:
            conn.close()
        why = refused(error, _in_words(given), str(given.get("dbname") or "evtrack"))
        raise CannotConnect(without_secrets(why.message, dsn), hint=without_secrets(why.hint, dsn)) from None
    return conn


def behind_pooler(conn: Connection) -> bool:
    """Tell whether the session may change from one transaction to the next.

    A pooler tells its clients a process number of its own making. Nothing that belongs to a session is to be relied on
    behind one, in whatever mode it is: locks, LISTEN, prepared statements, settings.

    Args:
        conn: A connection; one that evtrack has not opened itself is asked.

    Returns:
        Whether something stands between it and the server.
    """
    if isinstance(conn, _Own):
        return conn.behind_pooler
    with translated(), conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("SELECT pg_backend_pid()").fetchone()
    return row != (conn.info.backend_pid,)


def _in_words(given: dict[str, Any]) -> str:
    host = given.get("host") or given.get("hostaddr") or "the local socket"
    return f"{host}, port {given.get('port') or 5432}, database {given.get('dbname') or '(default)'}"


def without_password(dsn: str) -> tuple[str, str | None]:
    """Take the password out of a connection string, for places where others may read it.

    Args:
        dsn: The connection string.

    Returns:
        The connection string without it, and the password if there was one.
    """
    given: dict[str, Any] = dict(conninfo_to_dict(dsn))
    password = given.pop("password", None)
    return make_conninfo("", **given), None if password is None else str(password)


@contextmanager
def translated() -> Iterator[None]:
    """Raise evtrack's errors in place of psycopg's.

    Yields:
        Nothing; wrap the statements with it.

    Raises:
        EvtrackError: The child that stands for the SQLSTATE.
    """
    try:
        yield
    except psycopg.Error as error:
        raise translation(error) from error
    except UnicodeEncodeError as error:
        # Of a command line in another encoding.
        raise BadArgument(f"{quoted(error.object)} is no text in UTF-8") from None


@contextmanager
def read_only_explained(dsn: str) -> Iterator[None]:
    """Find out why nothing may be written, where that is what went wrong.

    Args:
        dsn: The database.

    Yields:
        Nothing; wrap a command with it.

    Raises:
        ReadOnly: With what to do in this case.
    """
    try:
        yield
    except ReadOnly as error:
        with connect(dsn, purpose="check") as conn, translated():
            (standby,) = conn.execute(statements.statement("is_standby")).fetchall()[0]
        raise ReadOnly(error.message, standby=standby) from error


def check_schema(conn: Connection) -> None:
    """Make sure that the database's schema and this code can live together.

    Args:
        conn: An open connection.

    Raises:
        SchemaMissing: If the schema is not there.
        SchemaTooOld: If a migration of this code is not applied.
        SchemaTooNew: If the schema needs newer code.
    """
    wanted = statements.latest_migration()
    with translated():
        newest = _newest(conn)
    if newest is None:
        raise SchemaMissing(
            f"The database {conn.info.dbname!r} at {conn.info.host or 'the local socket'} has no evtrack schema.",
            hint="Run `evtrack migrate up` as the role that shall own it.",
        )
    found, least_code = newest
    if found < wanted:
        raise SchemaTooOld(found=found, wanted=wanted)
    if found > wanted and version_key(least_code) > version_key(__version__):
        raise SchemaTooNew(found=found, least_code=least_code, code=__version__)


def _newest(conn: Connection) -> tuple[int, str] | None:
    row = conn.execute("SELECT to_regclass('evtrack.migration') IS NULL, to_regclass('evtrack.schema_version') IS NULL")
    no_view, no_table = row.fetchall()[0]
    if no_table:
        return None
    # Who does not own the schema may read the view only, and an older schema has the table only.
    query = compose.SQL("SELECT version, least_code FROM {} ORDER BY version DESC LIMIT 1")
    source = compose.Identifier("evtrack", "schema_version" if no_view else "migration")
    newest = conn.execute(query.format(source)).fetchone()
    return newest and (int(newest[0]), str(newest[1]))


def version_key(version: str) -> tuple[int, ...]:
    """Return a version like 1.12.0 as numbers that compare.

    Args:
        version: The numbers with dots between.
    """
    return tuple(int(part) for part in version.split("."))
