"""Checks before a command starts: the schema fits this code, and the user has the rights that it needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from psycopg.conninfo import make_conninfo

from evtrack.domain.database_errors import PermissionDenied, ReadOnly, SchemaMissing, SchemaTooNew, SchemaTooOld
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.query import one, value
from evtrack.storage.connection.rights import DatabaseObject, who_may
from evtrack.storage.connection.sql_files import latest_migration
from evtrack.version import __version__


class _SchemaVersion(NamedTuple):
    version: int
    least_code: str


class _SchemaOwner(NamedTuple):
    owner: str
    has_owner_rights: bool
    asking_user: str


def check_schema(conn: Connection) -> None:
    """Make sure that the database's schema and this code work together.

    Raises:
        SchemaMissing: The database has no evtrack schema.
        SchemaTooOld: A migration of this code is not applied.
        SchemaTooNew: The schema needs newer code.
    """
    wanted = latest_migration()
    # A user who does not own the schema can read only the view; an older schema has only the table.
    source = value(conn, "schema_version_source")
    if source is None:
        raise SchemaMissing(
            f"The database {conn.info.dbname!r} at {conn.info.host or 'the local socket'} has no evtrack schema.",
            hint="Run `evtrack migrate up` as the role that should own it.",
        )
    newest = one(conn, _SchemaVersion, f"newest_{source}")
    if newest is None:
        raise SchemaMissing(
            f"The database {conn.info.dbname!r} has evtrack's schema, but no record of its migrations, as after a dump "
            "of the schema alone.",
            hint="Restore a whole dump into an empty database; or, while it receives the log of another one, wait for "
            "the copy and run `evtrack migrate end-replication`.",
        )
    if newest.version < wanted:
        raise SchemaTooOld(found=newest.version, wanted=wanted)
    if newest.version > wanted and is_older(__version__, newest.least_code):
        raise SchemaTooNew(found=newest.version, least_code=newest.least_code, code=__version__)


def is_older(code: str, least: str) -> bool:
    """Return whether a version comes before another one; release candidates come before their release.

    Args:
        code: A version, such as 0.2.0rc1.
        least: The version to compare it with.
    """
    # Imported here only: hardly any command meets a newer schema, and each would pay for the import.
    from packaging.version import Version  # noqa: PLC0415

    return Version(code) < Version(least)


def require_call(conn: Connection, function: str) -> None:
    """Make sure that this user may call a function that is needed at the end of what is about to start.

    Raises:
        PermissionDenied: The user may not call it; the hint names the role to grant.
    """
    if value(conn, "may_call", name=function) is False:
        raise PermissionDenied(
            f"permission denied for function {function}", hint=who_may(DatabaseObject("function", function))
        )


def require_owner(conn: Connection) -> None:
    """Make sure that this user has the rights of the schema's owner; without a schema, every user passes.

    Raises:
        PermissionDenied: The user does not have them; the hint says how to connect as the owner.
    """
    found = one(conn, _SchemaOwner, "schema_owner")
    if found is None or found.has_owner_rights:
        return
    as_owner = make_conninfo(host=conn.info.host, port=conn.info.port, dbname=conn.info.dbname, user=found.owner)
    raise PermissionDenied(
        f"permission denied: only {found.owner}, the owner of evtrack's schema, may do this, and this user is "
        f"{found.asking_user}.",
        hint=f'Run it as the owner: --dsn "{as_owner}". None of the roles that evtrack creates has this right.',
    )


@contextmanager
def read_only_explained(dsn: str) -> Iterator[None]:
    """Add the reason to a ReadOnly error: a standby, or a setting.

    Args:
        dsn: The database.

    Yields:
        Nothing; wrap a command with it.

    Raises:
        ReadOnly: With a hint for this case.
    """
    try:
        yield
    except ReadOnly as error:
        with connect(dsn, purpose="check", reads=True) as conn:
            standby = bool(value(conn, "is_standby"))
        raise ReadOnly(error.message, standby=standby) from error
