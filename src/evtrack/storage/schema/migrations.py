"""Migrates the schema up and down: in one transaction, by one migrator at a time, with checksums."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import sql as compose
from psycopg.rows import scalar_row

from evtrack.domain.database_errors import MigrationError
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import mapping, run
from evtrack.storage.connection.sql_files import root, trusted
from evtrack.storage.schema import installed_objects
from evtrack.storage.schema.schema_files import Migration, read_migrations, read_objects, view_names
from evtrack.version import __version__

# Never changes: every version of evtrack takes this advisory lock to migrate a schema.
_LOCK = 0x65767472

# A user who may create functions in a schema of the search path could choose what an operator in a view means.
PINNED: Final = "SET LOCAL search_path = pg_catalog, pg_temp"

# How long to wait for another migrator, and for the locks that a migration takes: while it waits for one, all sessions
# behind it wait too, so it soon gives up.
_TURN_TIMEOUT = "10min"
_LOCK_TIMEOUT = "30s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a database compares with this code's migrations.

    Args:
        version: The newest migration applied, 0 for none.
        latest: The newest migration of this code.
        pending: Those not applied yet.
        stale_objects: Files of functions and views that are installed in another text, or not at all.
    """

    version: int
    latest: int
    pending: tuple[str, ...]
    stale_objects: tuple[str, ...]

    @property
    def current(self) -> bool:
        """Whether there is nothing for `up` to do."""
        return not self.pending and not self.stale_objects


def status(conn: Connection, tree: Path | None = None) -> Status:
    """Compare the database with this code.

    Args:
        tree: The sql/ directory, if not evtrack's own.

    Returns:
        The comparison.

    Raises:
        MigrationError: An applied migration was changed afterwards.
    """
    tree = tree or root()
    migrations = read_migrations(tree)
    with translated():
        applied = _applied(conn)
        _check(applied, migrations)
        installed = installed_objects.installed(conn)
    version = max(applied, default=0)
    # A newer schema has newer functions, so those of this code are not reported as missing.
    texts = read_objects(tree) if version <= len(migrations) else ()
    return Status(
        version=version,
        latest=len(migrations),
        pending=tuple(migration.title for migration in migrations if migration.version not in applied),
        stale_objects=tuple(each.path for each in texts if installed.get(each.path) != each.checksum),
    )


def up(conn: Connection, tree: Path | None = None) -> tuple[str, ...]:
    """Apply pending migrations, and replace functions and views: all in one transaction.

    A migrator that is killed leaves the old version. Between two migrations, functions would still be those of the old
    version, but what the migration drops would be missing.

    Args:
        conn: An open connection in autocommit mode, as the role that should own the schema.
        tree: The sql/ directory, if not evtrack's own.

    Returns:
        The titles of the applied migrations.

    Raises:
        MigrationError: An applied migration was changed afterwards, the database is not encoded in UTF-8, or it has a
            schema without a record of its migrations.
        TransientError: Another session held a lock for too long.
    """
    tree = tree or root()
    migrations = read_migrations(tree)
    with translated(), _migration_lock(conn):
        _check_encoding(conn)
        conn.execute(trusted((tree / "bootstrap.sql").read_text(encoding="utf-8")))
        applied = _applied(conn)
        _check(applied, migrations)
        if not applied and installed_objects.exists(conn, "event"):
            raise MigrationError(
                "The database has evtrack's tables, but no record of its migrations, as after a dump of the schema "
                "alone.",
                hint="Restore a whole dump into an empty database. To receive the log by logical replication, run "
                "`evtrack migrate begin-replication`.",
            )
        pending = [migration for migration in migrations if migration.version not in applied]
        for migration in pending:
            _record(conn, migration)
            conn.execute(trusted(migration.up))
        if max(applied, default=0) <= len(migrations):
            installed_objects.replace(conn, read_objects(tree))
            installed_objects.grant(conn, tree)
        installed_objects.make_partitions(conn)
        installed_objects.adopt_log(conn)
    return tuple(migration.title for migration in pending)


def down(conn: Connection, *, to: int, drop_log: bool = False, tree: Path | None = None) -> tuple[str, ...]:
    """Revert migrations, newest first, all in one transaction.

    Functions and views are dropped too, except those that triggers need: beside functions of this code, calls to those
    of the older one could be ambiguous. The older code installs its own with its `migrate up`. Version 0 drops the
    schema itself.

    Args:
        conn: An open connection in autocommit mode, as the schema's owner.
        to: The version to go back to.
        drop_log: Whether events, and whatever else these migrations store, may be lost.
        tree: The sql/ directory, if not evtrack's own.

    Returns:
        The titles of the reverted migrations.

    Raises:
        MigrationError: Something would be lost, or this code does not know a migration to revert.
    """
    tree = tree or root()
    migrations = read_migrations(tree)
    with translated(), _migration_lock(conn):
        applied = _applied(conn)
        _check(applied, migrations)
        version = max(applied, default=0)
        if version <= to:
            return ()
        if version > len(migrations):
            raise MigrationError(
                f"This evtrack {__version__} does not know migration {version:04d}.",
                hint="Revert it with the evtrack that applied it.",
            )
        back = tuple(reversed(migrations[to:version]))
        lost = [each.loses for each in back if each.loses and _has_rows(conn, each.lost_with)]
        if lost and not drop_log:
            raise MigrationError(
                f"Going back to version {to} would lose {', '.join(lost)}, so nothing was reverted.",
                hint="Add --drop-log if that is what you want; it cannot be undone.",
            )
        installed_objects.drop_views(conn, view_names(read_objects(tree)))
        for migration in back:
            conn.execute(trusted(migration.down))
            conn.execute("DELETE FROM evtrack.schema_version WHERE version = %s", [migration.version])
        installed_objects.forget(conn)
        if to == 0:
            installed_objects.drop_schema(conn)
        else:
            installed_objects.drop_free_routines(conn)
    return tuple(migration.title for migration in back)


@contextmanager
def _migration_lock(conn: Connection) -> Iterator[None]:
    """Open a transaction in which this is the only migrator, and in which every name means only itself."""
    with conn.transaction():
        conn.execute(PINNED)
        conn.execute("SET LOCAL client_min_messages = warning")
        conn.execute(f"SET LOCAL lock_timeout = '{_TURN_TIMEOUT}'")
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        conn.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        yield


def _applied(conn: Connection) -> dict[int, str]:
    return mapping(conn, "applied_migrations") if installed_objects.exists(conn, "schema_version") else {}


def _has_rows(conn: Connection, table: str) -> bool:
    with conn.cursor(row_factory=scalar_row) as cursor:
        query = compose.SQL("SELECT EXISTS (SELECT FROM {})").format(compose.Identifier("evtrack", table))
        return bool(cursor.execute(query).fetchone())


def _check_encoding(conn: Connection) -> None:
    found = conn.info.parameter_status("server_encoding")
    if found != "UTF8":
        raise MigrationError(
            f"The database {conn.info.dbname!r} is encoded in {found}, but evtrack needs UTF8 to store any text.",
            hint="Create another one: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
        )


def _check(applied: dict[int, str], migrations: tuple[Migration, ...]) -> None:
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"Migration {migration.title} was changed after it was applied.",
                hint="Restore the released text, and write the change as a migration of its own.",
            )


def _record(conn: Connection, migration: Migration) -> None:
    # First: a second migrator that got past the lock fails here, on the primary key, and not halfway.
    run(
        conn,
        "record_migration",
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum,
        least_code=migration.least_code,
    )
