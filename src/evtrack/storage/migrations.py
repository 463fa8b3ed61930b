"""Brings the schema up and down: a transaction for each migration, one migrator at a time, checksums."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql as compose

from evtrack import __version__
from evtrack.domain.errors import MigrationError
from evtrack.storage import sql
from evtrack.storage.database import Connection, translated
from evtrack.storage.schema_files import Migration, SchemaObject, read_migrations, read_objects, view_names

# Chosen once and for all: whoever migrates an evtrack schema, in any version, takes this advisory lock.
_LOCK = 0x65767472

# A migration that waits for a lock makes everybody behind it wait as well, so it gives up instead.
_LOCK_TIMEOUT = "30s"

_BOOTSTRAP = """\
CREATE SCHEMA IF NOT EXISTS evtrack;
CREATE TABLE IF NOT EXISTS evtrack.schema_version (
    version integer PRIMARY KEY CHECK (version >= 1),
    name text NOT NULL,
    checksum text NOT NULL,
    least_code text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE evtrack.schema_version IS 'The migrations that were applied.';
CREATE TABLE IF NOT EXISTS evtrack.schema_object (
    path text PRIMARY KEY,
    checksum text NOT NULL,
    code text NOT NULL,
    replaced_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE evtrack.schema_object IS 'The functions and views that are installed, and from which text.';
REVOKE ALL ON SCHEMA evtrack FROM PUBLIC;
"""


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
    tree = tree or sql.root()
    migrations = read_migrations(tree)
    with translated():
        applied = _applied(conn)
        _check(applied, migrations)
        installed = _installed(conn)
    version = max(applied, default=0)
    # A newer schema has newer functions: those of this code are not missed there.
    objects = read_objects(tree) if version <= len(migrations) else ()
    return Status(
        version=version,
        latest=len(migrations),
        pending=tuple(migration.title for migration in migrations if migration.version not in applied),
        stale_objects=tuple(each.path for each in objects if installed.get(each.path) != each.checksum),
    )


def up(conn: Connection, tree: Path | None = None) -> tuple[str, ...]:
    """Apply what is not applied yet, then replace functions and views.

    Each migration is a transaction of its own; functions and views come with the last. A migrator killed in between
    leaves whole migrations, and the next one goes on from there.

    Args:
        conn: An open connection in autocommit mode, as the role that shall own the schema.
        tree: The sql/ folder, if another than evtrack's own.

    Returns:
        The titles of the migrations that were applied.

    Raises:
        MigrationError: If an applied migration was changed afterwards.
        TransientError: If another session held a lock for too long.
    """
    tree = tree or sql.root()
    migrations = read_migrations(tree)
    done: list[str] = []
    while True:
        with translated(), _alone(conn):
            conn.execute(sql.trusted(_BOOTSTRAP))
            applied = _applied(conn)
            _check(applied, migrations)
            pending = [migration for migration in migrations if migration.version not in applied]
            if pending:
                _record(conn, pending[0])
                conn.execute(sql.trusted(pending[0].up))
                done.append(pending[0].title)
            if len(pending) <= 1:
                if max(applied, default=0) <= len(migrations):
                    _replace(conn, read_objects(tree))
                _make_partitions(conn)
                return tuple(done)


def down(conn: Connection, *, to: int, drop_log: bool = False, tree: Path | None = None) -> tuple[str, ...]:
    """Take migrations back, the newest first, each in a transaction of its own.

    Functions and views go as far as they hang on what is dropped; the code that fits the older schema puts its own
    back with its `migrate up`. With version 0 the schema itself goes.

    Args:
        conn: An open connection in autocommit mode, as the schema's owner.
        to: The version to go back to.
        drop_log: Whether events may be lost.
        tree: The sql/ folder, if another than evtrack's own.

    Returns:
        The titles of the migrations that were taken back.

    Raises:
        MigrationError: If events would be lost, or a migration to take back is not known to this code.
    """
    tree = tree or sql.root()
    migrations = read_migrations(tree)
    done: list[str] = []
    while True:
        with translated(), _alone(conn):
            applied = _applied(conn)
            _check(applied, migrations)
            version = max(applied, default=0)
            if version <= to:
                return tuple(done)
            if version > len(migrations):
                raise MigrationError(
                    f"This evtrack {__version__} does not know migration {version:04d}.",
                    hint="Take it back with the evtrack that applied it.",
                )
            events = _has_events(conn)
            _drop_views(conn, view_names(read_objects(tree)))
            conn.execute(sql.trusted(migrations[version - 1].down))
            if events and not drop_log and not _has_events(conn):
                raise MigrationError(
                    f"Taking back {migrations[version - 1].title} would drop the events of the log.",
                    hint="Add --drop-log if that is what you want; there is no way back.",
                )
            conn.execute("DELETE FROM evtrack.schema_version WHERE version = %s", [version])
            conn.execute("DELETE FROM evtrack.schema_object")
            if version == 1:
                _drop_schema(conn)
            done.append(migrations[version - 1].title)


def script(tree: Path | None = None, *, after: int = 0) -> Iterator[str]:
    """Write what `up` does as SQL that psql or any other tool can run.

    Args:
        tree: The sql/ folder, if another than evtrack's own.
        after: The version that is there already.

    Yields:
        The pieces of the script.
    """
    tree = tree or sql.root()
    yield f"BEGIN;\n{_BOOTSTRAP}COMMIT;\n"
    for migration in read_migrations(tree):
        if migration.version > after:
            values = ", ".join(f"'{value}'" for value in (migration.name, migration.checksum, migration.least_code))
            yield (
                f"\n-- {migration.title}\nBEGIN;\n"
                f"INSERT INTO evtrack.schema_version (version, name, checksum, least_code)\n"
                f"VALUES ({migration.version}, {values});\n{migration.up}COMMIT;\n"
            )
    yield "\nBEGIN;\nSET LOCAL check_function_bodies = off;\n"
    for each in read_objects(tree):
        yield f"\n-- {each.path}\n{each.text}"
        yield (
            "INSERT INTO evtrack.schema_object (path, checksum, code)\n"
            f"VALUES ('{each.path}', '{each.checksum}', '{__version__}')\n"
            "ON CONFLICT (path) DO UPDATE SET checksum = excluded.checksum, code = excluded.code;\n"
        )
    yield "SELECT evtrack.make_partitions();\nCOMMIT;\n"


@contextmanager
def _alone(conn: Connection) -> Iterator[None]:
    """Open a transaction in which this is the only migrator."""
    with conn.transaction():
        conn.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        conn.execute("SET LOCAL client_min_messages = warning")
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield


def _applied(conn: Connection) -> dict[int, str]:
    if not _exists(conn, "schema_version"):
        return {}
    return dict(conn.execute("SELECT version, checksum FROM evtrack.schema_version ORDER BY version").fetchall())


def _installed(conn: Connection) -> dict[str, str]:
    if not _exists(conn, "schema_object"):
        return {}
    return dict(conn.execute("SELECT path, checksum FROM evtrack.schema_object").fetchall())


def _exists(conn: Connection, table: str) -> bool:
    row = conn.execute("SELECT to_regclass('evtrack.' || %s) IS NOT NULL", [table]).fetchone()
    return bool(row and row[0])


def _has_events(conn: Connection) -> bool:
    if not _exists(conn, "event"):
        return False
    row = conn.execute("SELECT EXISTS (SELECT FROM evtrack.event)").fetchone()
    return bool(row and row[0])


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


def _replace(conn: Connection, objects: tuple[SchemaObject, ...]) -> None:
    installed = _installed(conn)
    if installed == {each.path: each.checksum for each in objects}:
        return
    # A view that lost or changed a column cannot be replaced in place. Views that somebody else built on ours make
    # this fail, and PostgreSQL names them.
    _drop_views(conn, [Path(path).stem for path in installed if path.startswith("views/")])
    # Functions call each other in circles, so none can come after all that it calls.
    conn.execute("SET LOCAL check_function_bodies = off")
    for each in objects:
        conn.execute(sql.trusted(each.text))
    conn.execute("DELETE FROM evtrack.schema_object")
    for each in objects:
        conn.execute(
            "INSERT INTO evtrack.schema_object (path, checksum, code) VALUES (%s, %s, %s)",
            [each.path, each.checksum, __version__],
        )


def _make_partitions(conn: Connection) -> None:
    """Make the days that the first jobs need; workers make those that follow."""
    named = "proname = 'make_partitions' AND pronamespace = 'evtrack'::regnamespace"
    if conn.execute(f"SELECT 1 FROM pg_proc WHERE {named}").fetchone():
        conn.execute("SELECT evtrack.make_partitions()")


def _drop_views(conn: Connection, names: list[str]) -> None:
    there = [name for name in names if _exists(conn, name)]
    if there:
        listed = compose.SQL(", ").join(compose.Identifier("evtrack", name) for name in there)
        conn.execute(compose.SQL("DROP VIEW {}").format(listed))


def _drop_schema(conn: Connection) -> None:
    routines = conn.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = 'evtrack'::regnamespace ORDER BY 1"
    ).fetchall()
    for (routine,) in routines:
        conn.execute(sql.trusted(f"DROP ROUTINE {routine}"))
    # Without CASCADE: what somebody else put into the schema makes this fail, and PostgreSQL names it.
    conn.execute("DROP TABLE evtrack.schema_version, evtrack.schema_object")
    conn.execute("DROP SCHEMA evtrack")
