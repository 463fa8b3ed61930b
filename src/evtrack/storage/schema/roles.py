"""Makes evtrack's roles, which are of the whole cluster, and gives them their rights in one database."""

from evtrack.storage.connection import statements
from evtrack.storage.connection.connect import Connection, translated
from evtrack.storage.connection.rights import ROLES
from evtrack.storage.schema import objects
from evtrack.storage.schema.migrations import PINNED


def make(conn: Connection) -> tuple[str, ...]:
    """Make the roles that the cluster does not have, and give all of them their rights in this database.

    Args:
        conn: An open connection in autocommit mode, as a role with CREATEROLE that owns the schema.

    Returns:
        The roles that were made now.

    Raises:
        PermissionDenied: If this role may not make roles, or does not own the schema.
    """
    with translated(), conn.transaction():
        conn.execute(PINNED)
        before = _there(conn)
        conn.execute(statements.trusted((statements.root() / "roles.sql").read_text(encoding="utf-8")))
        made = tuple(sorted(_there(conn) - before))
        objects.grant(conn, statements.root())
    return made


def script() -> str:
    """Write what `make` does as SQL for psql, to be run by whoever may make roles."""
    pieces = ((statements.root() / name).read_text(encoding="utf-8") for name in ("roles.sql", "grants.sql"))
    return f"BEGIN;\n{PINNED};\n" + "\n".join(pieces) + "COMMIT;\n"


def _there(conn: Connection) -> set[str]:
    rows = conn.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(ROLES)]).fetchall()
    return {name for (name,) in rows}
