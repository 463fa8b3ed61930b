"""Creates evtrack's roles, which belong to the whole cluster, and grants them their rights in one database."""

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import value
from evtrack.storage.connection.rights import ROLES
from evtrack.storage.connection.sql_files import root, trusted
from evtrack.storage.schema import installed_objects
from evtrack.storage.schema.migrations import PINNED


def create_roles(conn: Connection) -> tuple[str, ...]:
    """Create the roles that the cluster lacks, and grant all of them their rights in this database.

    Args:
        conn: An open connection in autocommit mode, as a role with CREATEROLE that owns the schema.

    Returns:
        The roles that were created now.

    Raises:
        PermissionDenied: The user may not create roles, or does not own the schema.
    """
    with translated(), conn.transaction():
        conn.execute(PINNED)
        before = _existing(conn)
        conn.execute(trusted((root() / "roles.sql").read_text(encoding="utf-8")))
        created = tuple(sorted(_existing(conn) - before))
        installed_objects.grant(conn, root())
    return created


def roles_script() -> str:
    """Return what `create_roles` does as SQL for psql, to be run by a user who may create roles."""
    pieces = ((root() / name).read_text(encoding="utf-8") for name in ("roles.sql", "grants.sql"))
    return f"BEGIN;\n{PINNED};\n" + "\n".join(pieces) + "COMMIT;\n"


def _existing(conn: Connection) -> set[str]:
    return set(value(conn, "existing_roles", roles=list(ROLES)))
