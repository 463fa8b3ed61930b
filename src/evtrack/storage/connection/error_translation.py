"""Translates errors of PostgreSQL and libpq into evtrack's own, with a hint what to do next."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from evtrack.domain import database_errors, errors
from evtrack.domain.database_errors import CannotConnect, PermissionDenied, StorageError, TransientError
from evtrack.domain.errors import EvtrackError
from evtrack.domain.text import quoted
from evtrack.storage.connection import rights

_OWN: dict[str, type[EvtrackError]] = {
    "EV001": errors.IllegalEvent,
    "EV002": errors.Immutable,
    "EV003": errors.NoSuchJob,
    "EV004": errors.JobPhaseError,
    "EV005": errors.SubmissionLost,
    "EV006": errors.WorkerLost,
    "EV007": errors.BadArgument,
}

# serialization failure, deadlock, lock timeout, a server that shuts down or starts up, a transaction left idle too long
_TRANSIENT = ("40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25P03")

# not null violation, check violation
_SHOWS_ROW = ("23502", "23514")

# invalid schema, undefined table, undefined function, undefined object
_UNDEFINED = ("3F000", "42P01", "42883", "42704")

_DENIED = re.compile(r"permission denied for (?P<kind>function|schema|table|view) (?P<name>\w+)")

# libpq gives no SQLSTATE for a refused connection, only a text: (part of the text, hint)
_REFUSALS: tuple[tuple[str, str], ...] = (
    (
        "connection refused",
        "No server listens there: start it, or correct host and port in --dsn, EVTRACK_DSN, DATABASE_URL or PG*.",
    ),
    (
        "no such file or directory",
        "No server has its socket there: start it, or correct the host in --dsn, EVTRACK_DSN, DATABASE_URL or PG*.",
    ),
    ("password authentication failed", "Correct user and password in the connection string, or in PGPASSWORD."),
    ("no password supplied", "Put the password into the connection string, PGPASSWORD or ~/.pgpass."),
    ("no pg_hba.conf entry", "The server's pg_hba.conf does not let this user in from this host: add an entry there."),
    ("timeout expired", "The host does not answer: check its address, and any firewall in between."),
    ("timed out", "The host does not answer: check its address, and any firewall in between."),
    ("translate host name", "Correct the host name in the connection string."),
    ("resolve host", "Correct the host name in the connection string."),
    (
        "too many connections for",
        "Close other connections of this role or to this database, or raise its CONNECTION LIMIT.",
    ),
    ("too many clients", "Close other connections, or raise the server's max_connections."),
    ("remaining connection slots", "Close other connections, or raise the server's max_connections."),
    ("starting up", "The server is just starting: try again in a moment."),
    ("not yet accepting connections", "The server is just starting: try again in a moment."),
    ("in recovery mode", "The server is just recovering: try again in a moment."),
    ("shutting down", "The server is shutting down: start it again."),
    (
        "session is read-only",
        "Only standbys or read-only servers answer: wait for a primary, or read one with target_session_attrs=any.",
    ),
    ("permission denied for database", "Grant this role CONNECT on the database, or name another role."),
)


# Among them, those of a server that answers, and takes no connections or no writes now.
_ENDS_BY_ITSELF: Final = (
    "too many connections for",
    "too many clients",
    "remaining connection slots",
    "starting up",
    "not yet accepting connections",
    "in recovery mode",
    "shutting down",
    "session is read-only",
)

# How psycopg begins when it has tried several addresses.
_SEVERAL: Final = "multiple connection attempts failed"


@contextmanager
def translated() -> Iterator[None]:
    """Raise evtrack's errors in place of psycopg's.

    Yields:
        Nothing; wrap the statements with it.

    Raises:
        EvtrackError: The error that stands for the SQLSTATE.
    """
    try:
        yield
    except psycopg.Error as error:
        raise translation(error) from error
    except UnicodeEncodeError as error:
        # From a command line in another encoding.
        raise errors.BadArgument(f"{quoted(error.object)} is not valid UTF-8") from None


def translation(error: psycopg.Error) -> EvtrackError:
    """Return evtrack's error for one of psycopg's.

    Args:
        error: What psycopg raised in a statement.

    Returns:
        The error to raise from it.
    """
    state = error.sqlstate
    message = error.diag.message_primary or str(error).strip() or type(error).__name__
    # The detail of a value that does not fit shows the row, perhaps with a payload.
    shows_row = state is not None and (state.startswith("22") or state in _SHOWS_ROW)
    detail = None if shows_row else error.diag.message_detail
    text = ": ".join(part for part in (message, detail) if part)
    hint = error.diag.message_hint or ""
    if state in _OWN:
        return _OWN[state](text, hint=hint)
    # Internal: the server's answers do not fit what was asked, as when a pooler has lost the session in between.
    if state is None and isinstance(error, psycopg.OperationalError | psycopg.InternalError):
        return TransientError(f"The connection to the database was lost: {text}")
    if state is not None and (state in _TRANSIENT or state.startswith("08")):
        return TransientError(text, sqlstate=state, hint=hint)
    if state == "42501":
        return PermissionDenied(text, hint=hint or permission_hint(message))
    if state == "25006":
        return database_errors.ReadOnly(text)
    if state == "23514" and error.diag.table_name and not error.diag.constraint_name:
        return errors.BadArgument(text, hint="The job has another day: create_job returns it, and each row carries it.")
    if state in _UNDEFINED and "evtrack" in message:
        return database_errors.SchemaMissing(
            f"The database lacks a part of evtrack's schema: {text}", hint="Run `evtrack migrate up`."
        )
    return StorageError(text, sqlstate=state, hint=hint)


def permission_hint(message: str) -> str:
    """Return who has the right that a user was denied.

    Args:
        message: PostgreSQL's message; in a language other than English, the hint is about the whole schema.
    """
    if "create role" in message:
        return "Connect as a role with CREATEROLE, or give a DBA what `evtrack migrate roles --print-sql` prints."
    if "for database" in message:
        return "Connect as the database's owner, or have the owner run `GRANT CREATE ON DATABASE ... TO` this user."
    denied = _DENIED.search(message)
    denied_object = rights.DatabaseObject(denied["kind"], denied["name"]) if denied else rights.SCHEMA
    return rights.ONLY_OWNER if "must be owner" in message else rights.who_may(denied_object)


def connection_refused(error: psycopg.Error, target: str, dbname: str) -> CannotConnect:
    """Explain why a connection could not be opened.

    Args:
        error: What psycopg raised.
        target: The server in words, without a password.
        dbname: The database that was named, or the one to create.

    Returns:
        The error to raise, with a hint what to do next.
    """
    text = str(error).strip()
    lower = text.lower()
    if "database" in lower and "does not exist" in lower:
        hint = f"Create it (`createdb {dbname}`) and run `evtrack migrate up`, or name another database."
    elif "role" in lower and "does not exist" in lower:
        hint = "Name a role that exists in the connection string, or create this one."
    else:
        found = list(dict.fromkeys(advice for part, advice in _REFUSALS if part in lower))
        # Each address has a reason of its own.
        hint = "\n".join(found if _SEVERAL in lower else found[:1]) or "Check the connection string."
    return CannotConnect(
        f"Cannot connect to PostgreSQL at {target}: {text}",
        hint=hint,
        ends_by_itself=any(part in lower for part in _ENDS_BY_ITSELF),
    )
