"""The sessions of a test, on a database of its own."""

from collections.abc import Iterator

import pytest

from client import Client
from evtrack.storage.database import Connection, connect


@pytest.fixture
def client(conn: Connection) -> Client:
    """The session that makes the jobs."""
    return Client(conn)


@pytest.fixture
def other(dsn: str, client: Client) -> Iterator[Client]:
    """A second session, with the same handler."""
    with connect(dsn, purpose="test") as conn:
        yield Client(conn, client.handler)
