"""Brings the schema up and down: each in one transaction, one migrator at a time, checksums."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import sql as compose

from evtrack.domain.errors import MigrationError
from evtrack.storage.connection import statements
from evtrack.storage.connection.connect import Connection, translated
from evtrack.storage.schema import objects
from evtrack.storage.schema.files import Migration, read_migrations, read_objects, view_names
from evtrack.version import __version__

# Chosen once and for all: whoever migrates an evtrack schema, in any version, takes this advisory lock.
_LOCK = 0x65767472

# Whoever may create functions in a schema of the search path may choose what an operator in a view means.
PINNED: Final = "SET LOCAL search_path = pg_catalog, pg_temp"

# For another migrator to end; and for the locks that a migration takes: while it waits for one, everybody behind it
# waits as well, so it soon gives up.
_TURN_TIMEOUT = "10min"
_LOCK_TIMEOUT = "30s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Say how a database stands to this code's migrations.

    Args:
        version: The newest migration applied, 0 for none.
        latest: The newest that this code brings.
        pending: Those not applied yet.
        stale_objects: Files of functions and views that the database has in another text, or not at all.
    """

    version: int
    latest: int
    pending: tuple[str, ...]
    stale_objects: tuple[str, ...]

    @property
    def current(self) -> bool:
        """Whether `up` would have nothing to do."""
        return not self.pending and not self.stale_objects


def status(conn: Connection, tree: Path | None = None) -> Status:
    """Compare the database with this code.

    Args:
        conn: An open connection.
        tree: The sql/ folder, if another than evtrack's own.

    Returns:
        What is applied and what is not.

    Raises:
        MigrationError: If an applied migration was changed afterwards.
    """
    tree = tree or statements.root()
    migrations = read_migrations(tree)
    with translated():
        applied = _applied(conn)
        _check(applied, migrations)
        installed = objects.installed(conn)
    version = max(applied, default=0)
    # A newer schema has newer functions: those of this code are not missed there.
    texts = read_objects(tree) if version <= len(migrations) else ()
    return Status(
        version=version,
        latest=len(migrations),
        pending=tuple(migration.title for migration in migrations if migration.version not in applied),
        stale_objects=tuple(each.path for each in texts if installed.get(each.path) != each.checksum),
    )


def up(conn: Connection, tree: Path | None = None) -> tuple[str, ...]:
    """Apply what is not applied yet, and replace functions and views: all in one transaction.

    A migrator that is killed leaves the version that was there: between two migrations the functions would be those of
    the first, and what the second drops would be missing.

    Args:
        conn: An open connection in autocommit mode, as the role that shall own the schema.
        tree: The sql/ folder, if another than evtrack's own.

    Returns:
        The titles of the migrations that were applied.

    Raises:
        MigrationError: If an applied migration was changed afterwards, or the database is not encoded in UTF-8.
        TransientError: If another session held a lock for too long.
    """
    tree = tree or statements.root()
    migrations = read_migrations(tree)
    with translated(), _alone(conn):
        _check_encoding(conn)
        conn.execute(statements.trusted((tree / "bootstrap.sql").read_text(encoding="utf-8")))
        applied = _applied(conn)
        _check(applied, migrations)
        pending = [migration for migration in migrations if migration.version not in applied]
        for migration in pending:
            _record(conn, migration)
            conn.execute(statements.trusted(migration.up))
        if max(applied, default=0) <= len(migrations):
            objects.replace(conn, read_objects(tree))
            objects.grant(conn, tree)
        objects.make_partitions(conn)
    return tuple(migration.title for migration in pending)


def down(conn: Connection, *, to: int, drop_log: bool = False, tree: Path | None = None) -> tuple[str, ...]:
    """Take migrations back, the newest first, all in one transaction.

    Functions and views go as far as they hang on what is dropped; the code that fits the older schema puts its own
    back with its `migrate up`. With version 0 the schema itself goes.

    Args:
        conn: An open connection in autocommit mode, as the schema's owner.
        to: The version to go back to.
        drop_log: Whether events, and what else these migrations keep, may be lost.
        tree: The sql/ folder, if another than evtrack's own.

    Returns:
        The titles of the migrations that were taken back.

    Raises:
        MigrationError: If something would be lost, or a migration to take back is not known to this code.
    """
    tree = tree or statements.root()
    migrations = read_migrations(tree)
    with translated(), _alone(conn):
        applied = _applied(conn)
        _check(applied, migrations)
        version = max(applied, default=0)
        if version <= to:
            return ()
        if version > len(migrations):
            raise MigrationError(
                f"This evtrack {__version__} does not know migration {version:04d}.",
                hint="Take it back with the evtrack that applied it.",
            )
        back = tuple(reversed(migrations[to:version]))
        lost = [each.loses for each in back if each.loses and _has_rows(conn, each.lost_with)]
        if lost and not drop_log:
            raise MigrationError(
                f"Going back to version {to} would lose {', '.join(lost)}, so nothing was taken back.",
                hint="Add --drop-log if that is what you want; there is no way back.",
            )
        objects.drop_views(conn, view_names(read_objects(tree)))
        for migration in back:
            conn.execute(statements.trusted(migration.down))
            conn.execute("DELETE FROM evtrack.schema_version WHERE version = %s", [migration.version])
        objects.forget(conn)
        if to == 0:
            objects.drop_schema(conn)
    return tuple(migration.title for migration in back)


@contextmanager
def _alone(conn: Connection) -> Iterator[None]:
    """Open a transaction in which this is the only migrator, and in which no name means anything but itself."""
    with conn.transaction():
        conn.execute(PINNED)
        conn.execute("SET LOCAL client_min_messages = warning")
        conn.execute(f"SET LOCAL lock_timeout = '{_TURN_TIMEOUT}'")
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        conn.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        yield


def _applied(conn: Connection) -> dict[int, str]:
    if not objects.exists(conn, "schema_version"):
        return {}
    return dict(conn.execute("SELECT version, checksum FROM evtrack.schema_version ORDER BY version").fetchall())


def _has_rows(conn: Connection, table: str) -> bool:
    row = conn.execute(
        compose.SQL("SELECT EXISTS (SELECT FROM {})").format(compose.Identifier("evtrack", table))
    ).fetchone()
    return bool(row and row[0])


def _check_encoding(conn: Connection) -> None:
    found = conn.info.parameter_status("server_encoding")
    if found != "UTF8":
        raise MigrationError(
            f"The database {conn.info.dbname!r} is encoded in {found}, and evtrack keeps texts of any script.",
            hint="Make another one: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
        )


def _check(applied: dict[int, str], migrations: tuple[Migration, ...]) -> None:
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"Migration {migration.title} was applied with another text than it has now.",
                hint="Put the released text back, and write what is new as a migration of its own.",
            )


def _record(conn: Connection, migration: Migration) -> None:
    # First of all: a second migrator that got past the lock fails here, on the primary key, and not halfway.
    conn.execute(
        "INSERT INTO evtrack.schema_version (version, name, checksum, least_code) VALUES (%s, %s, %s, %s)",
        [migration.version, migration.name, migration.checksum, migration.least_code],
    )
