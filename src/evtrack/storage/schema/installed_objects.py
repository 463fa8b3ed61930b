"""Functions and views in the database: always replaced together, and known by the checksums of their files."""

from collections.abc import Sequence
from pathlib import Path

from psycopg import sql as compose

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import mapping, run, value
from evtrack.storage.connection.sql_files import trusted
from evtrack.storage.schema.schema_files import SchemaObject
from evtrack.version import __version__


def installed(conn: Connection) -> dict[str, str]:
    """Return the checksums of the installed functions and views, by path."""
    return mapping(conn, "installed_objects") if exists(conn, "schema_object") else {}


def exists(conn: Connection, table: str) -> bool:
    """Return whether evtrack's schema has a table or view of this name."""
    return bool(value(conn, "relation_exists", name=table))


def replace(conn: Connection, objects: Sequence[SchemaObject]) -> None:
    """Install all functions and views, unless they are installed in exactly this text."""
    before = installed(conn)
    if before == {each.path: each.checksum for each in objects}:
        return
    # A view that lost or changed a column cannot be replaced in place. If users built other views on ours, this fails,
    # and PostgreSQL names them.
    drop_views(conn, [Path(path).stem for path in before if path.startswith("views/")])
    # Functions call each other in cycles, so no order puts each one after all that it calls.
    conn.execute("SET LOCAL check_function_bodies = off")
    for each in objects:
        conn.execute(trusted(each.text))
    forget(conn)
    for each in objects:
        run(conn, "record_object", path=each.path, checksum=each.checksum, code=__version__)


def grant(conn: Connection, tree: Path) -> None:
    """Make the rights of PUBLIC and of evtrack's roles agree with the list in sql/; correct ones are not touched."""
    conn.execute(trusted((tree / "grants.sql").read_text(encoding="utf-8")))


def forget(conn: Connection) -> None:
    """Forget which objects are installed, so the next `up` replaces all of them."""
    conn.execute("DELETE FROM evtrack.schema_object")


def make_partitions(conn: Connection) -> None:
    """Make the days that the first jobs need; workers make the following ones."""
    if value(conn, "function_exists", name="make_partitions"):
        conn.execute("SELECT evtrack.make_partitions()")


def adopt_log(conn: Connection) -> None:
    """Adopt a log that came from another cluster, as the first worker would; a long one takes a while."""
    if value(conn, "function_exists", name="settle_log"):
        run(conn, "adopt_log")


def drop_views(conn: Connection, names: list[str]) -> None:
    """Drop those of the views that exist."""
    existing = [name for name in names if exists(conn, name)]
    if existing:
        listed = compose.SQL(", ").join(compose.Identifier("evtrack", name) for name in existing)
        conn.execute(compose.SQL("DROP VIEW {}").format(listed))


def drop_free_routines(conn: Connection) -> None:
    """Drop the functions that nothing needs."""
    for routine in value(conn, "free_routines"):
        conn.execute(trusted(f"DROP ROUTINE {routine}"))


def drop_schema(conn: Connection) -> None:
    """Drop what is left after the first migration is reverted."""
    for routine in value(conn, "schema_routines"):
        conn.execute(trusted(f"DROP ROUTINE {routine}"))
    # Without CASCADE: if users put other objects into the schema, this fails, and PostgreSQL names them.
    conn.execute("DROP TABLE evtrack.schema_version, evtrack.schema_object")
    conn.execute("DROP SCHEMA evtrack")
