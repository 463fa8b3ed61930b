"""Where a session is, and who it is."""

from dataclasses import dataclass
from datetime import datetime

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import one


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session, as its server sees it.

    Args:
        database: The name of the database.
        role: The user.
        at: When the transaction began, by the server's clock.
        standby: Whether the server is a standby.
        reads_only: Whether the user may do no more than read.
    """

    database: str
    role: str
    at: datetime
    standby: bool
    reads_only: bool


def session_facts(conn: Connection) -> SessionFacts:
    """Read where a session is, and who it is."""
    found = one(conn, SessionFacts, "session_facts")
    assert found is not None, "the query always has a row"  # noqa: S101
    return found
