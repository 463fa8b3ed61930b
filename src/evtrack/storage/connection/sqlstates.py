"""Turns what PostgreSQL and libpq say into evtrack's own errors, with what to do next."""

import re

import psycopg

from evtrack.domain import errors
from evtrack.domain.errors import CannotConnect, EvtrackError, PermissionDenied, StorageError, TransientError
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

# serialization failure, deadlock, lock timeout, a server that goes down or comes up, a transaction left alone too long
_TRANSIENT = ("40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25P03")

# not null violation, check violation
_ROW_SHOWN = ("23502", "23514")

# invalid schema, undefined table, undefined function, undefined object
_UNDEFINED = ("3F000", "42P01", "42883", "42704")

_DENIED = re.compile(r"permission denied for (?P<kind>function|schema|table|view) (?P<name>\w+)")

# libpq gives no SQLSTATE for a connection that did not come about, so its text must do: (part of the text, what to do)
_REFUSALS: tuple[tuple[str, str], ...] = (
    (
        "connection refused",
        "Nobody listens there: start the server, or correct host and port in --dsn, EVTRACK_DSN, DATABASE_URL or PG*.",
    ),
    (
        "no such file or directory",
        "No server has its socket there: start it, or correct the host in --dsn, EVTRACK_DSN, DATABASE_URL or PG*.",
    ),
    ("password authentication failed", "Correct user and password in the connection string, or in PGPASSWORD."),
    ("no password supplied", "Put the password into the connection string, PGPASSWORD or ~/.pgpass."),
    ("no pg_hba.conf entry", "The server's pg_hba.conf does not let this user in from this host: add an entry there."),
    ("timeout expired", "The host does not answer: check its address, and the firewall in between."),
    ("timed out", "The host does not answer: check its address, and the firewall in between."),
    ("translate host name", "Correct the host's name in the connection string."),
    ("resolve host", "Correct the host's name in the connection string."),
    ("too many clients", "Close other connections, or raise the server's max_connections."),
    ("remaining connection slots", "Close other connections, or raise the server's max_connections."),
    ("starting up", "The server is just starting: try again in a moment."),
    ("permission denied for database", "Grant this role CONNECT on the database, or name another role."),
)


def refused(error: psycopg.Error, target: str, dbname: str) -> CannotConnect:
    """Explain why a connection did not come about.

    Args:
        error: What psycopg raised.
        target: The server in words, without a password.
        dbname: The database that was asked for, or the one to make.

    Returns:
        The error to raise, with what to do next.
    """
    said = str(error).strip()
    lower = said.lower()
    if "database" in lower and "does not exist" in lower:
        hint = f"Create it (`createdb {dbname}`) and run `evtrack migrate up`, or name another database."
    elif "role" in lower and "does not exist" in lower:
        hint = "Name a role that exists in the connection string, or create this one."
    else:
        hint = next((advice for part, advice in _REFUSALS if part in lower), "Check the connection string.")
    return CannotConnect(f"Cannot connect to PostgreSQL at {target}: {said}", hint=hint)


def _who_may(message: str) -> str:
    """Name the roles that have what a user was denied; in another language than English the schema itself."""
    if "create role" in message:
        return "Connect as a role with CREATEROLE, or give a DBA what `evtrack migrate roles --print-sql` prints."
    if "for database" in message:
        return "Connect as the database's owner, or let him say `GRANT CREATE ON DATABASE ... TO` this user."
    denied = _DENIED.search(message)
    thing = rights.Thing(denied["kind"], denied["name"]) if denied else rights.SCHEMA
    return rights.ONLY_OWNER if "must be owner" in message else rights.who_may(thing)


def translation(error: psycopg.Error) -> EvtrackError:
    """Find evtrack's error for one of psycopg's.

    Args:
        error: What psycopg raised in a statement.

    Returns:
        The error to raise from it.
    """
    state = error.sqlstate
    message = error.diag.message_primary or str(error).strip() or type(error).__name__
    # Of a value that does not fit, the detail shows the row, and in it perhaps a payload.
    detail = (
        None if state is not None and (state.startswith("22") or state in _ROW_SHOWN) else error.diag.message_detail
    )
    text = ": ".join(part for part in (message, detail) if part)
    hint = error.diag.message_hint or ""
    if state in _OWN:
        return _OWN[state](text, hint=hint)
    if state is None and isinstance(error, psycopg.OperationalError):
        return TransientError(f"The connection to the database was lost: {text}")
    if state is not None and (state in _TRANSIENT or state.startswith("08")):
        return TransientError(text, sqlstate=state, hint=hint)
    if state == "42501":
        return PermissionDenied(text, hint=hint or _who_may(message))
    if state == "25006":
        return errors.ReadOnly(text)
    if state == "23514" and error.diag.table_name and not error.diag.constraint_name:
        return errors.BadArgument(text, hint="The job has another day: create_job returns it, and each row carries it.")
    if state in _UNDEFINED and "evtrack" in message:
        return errors.SchemaMissing(
            f"The database lacks a part of evtrack's schema: {text}", hint="Run `evtrack migrate up`."
        )
    return StorageError(text, sqlstate=state, hint=hint)
