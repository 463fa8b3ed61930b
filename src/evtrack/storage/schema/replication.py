"""Lets a database receive the log of another one by logical replication, and take it over."""

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import run, value
from evtrack.storage.connection.sql_files import root
from evtrack.storage.schema import installed_objects
from evtrack.storage.schema.migrations import PINNED


def begin_replication(conn: Connection) -> None:
    """Prepare a database without jobs: until `end_replication`, only a subscription may write to evtrack's tables.

    Args:
        conn: An open connection in autocommit mode, as the schema's owner.

    Raises:
        BadArgument: The database has jobs or workers.
        SchemaMissing: It has no evtrack schema.
    """
    run(conn, "begin_replication")


def end_replication(conn: Connection) -> int:
    """Take over the received log, and grant evtrack's roles their rights, which a dump may have left out.

    Args:
        conn: An open connection in autocommit mode, as the schema's owner.

    Returns:
        How many jobs there are.

    Raises:
        StorageError: A subscription still writes to the log, or something has not arrived.
    """
    with translated(), conn.transaction():
        conn.execute(PINNED)
        jobs = int(value(conn, "end_replication"))
        installed_objects.grant(conn, root())
    return jobs
