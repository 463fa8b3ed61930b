"""Functions and views in the database: replaced whole, and known by the checksum of their text."""

from pathlib import Path

from psycopg import sql as compose

from evtrack.storage.connection import statements
from evtrack.storage.connection.connect import Connection
from evtrack.storage.schema.files import SchemaObject
from evtrack.version import __version__


def installed(conn: Connection) -> dict[str, str]:
    """Return the checksums of the functions and views that are installed, by path."""
    if not exists(conn, "schema_object"):
        return {}
    return dict(conn.execute("SELECT path, checksum FROM evtrack.schema_object").fetchall())


def exists(conn: Connection, table: str) -> bool:
    """Say whether evtrack's schema has a table or view of this name."""
    row = conn.execute("SELECT to_regclass('evtrack.' || %s) IS NOT NULL", [table]).fetchone()
    return bool(row and row[0])


def replace(conn: Connection, objects: tuple[SchemaObject, ...]) -> None:
    """Put all functions and views into the database, unless they are there in this very text."""
    before = installed(conn)
    if before == {each.path: each.checksum for each in objects}:
        return
    # A view that lost or changed a column cannot be replaced in place. Views that somebody else built on ours make
    # this fail, and PostgreSQL names them.
    drop_views(conn, [Path(path).stem for path in before if path.startswith("views/")])
    # Functions call each other in circles, so none can come after all that it calls.
    conn.execute("SET LOCAL check_function_bodies = off")
    for each in objects:
        conn.execute(statements.trusted(each.text))
    forget(conn)
    for each in objects:
        conn.execute(
            "INSERT INTO evtrack.schema_object (path, checksum, code) VALUES (%s, %s, %s)",
            [each.path, each.checksum, __version__],
        )


def grant(conn: Connection, tree: Path) -> None:
    """Bring the rights of PUBLIC and of evtrack's roles in line with what sql/ lists; what fits is not touched."""
    conn.execute(statements.trusted((tree / "grants.sql").read_text(encoding="utf-8")))


def forget(conn: Connection) -> None:
    """Forget what is installed, so that the next `up` replaces everything."""
    conn.execute("DELETE FROM evtrack.schema_object")


def make_partitions(conn: Connection) -> None:
    """Make the days that the first jobs need; workers make those that follow."""
    row = conn.execute("SELECT to_regproc('evtrack.make_partitions') IS NOT NULL").fetchone()
    if row and row[0]:
        conn.execute("SELECT evtrack.make_partitions()")


def drop_views(conn: Connection, names: list[str]) -> None:
    """Drop those of the views that are there."""
    there = [name for name in names if exists(conn, name)]
    if there:
        listed = compose.SQL(", ").join(compose.Identifier("evtrack", name) for name in there)
        conn.execute(compose.SQL("DROP VIEW {}").format(listed))


def drop_schema(conn: Connection) -> None:
    """Drop what is left when the first migration is taken back."""
    routines = conn.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = 'evtrack'::regnamespace ORDER BY 1"
    ).fetchall()
    for (routine,) in routines:
        conn.execute(statements.trusted(f"DROP ROUTINE {routine}"))
    # Without CASCADE: what somebody else put into the schema makes this fail, and PostgreSQL names it.
    conn.execute("DROP TABLE evtrack.schema_version, evtrack.schema_object")
    conn.execute("DROP SCHEMA evtrack")
