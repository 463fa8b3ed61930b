"""A database for each module, and a client with a handler name of its own for each test."""

from collections.abc import Iterator

import pytest

from client import Client, cloned
from evtrack.storage.database import connect


@pytest.fixture(scope="module")
def shared_dsn(admin_dsn: str, template: str) -> Iterator[str]:
    """A migrated database that the module's tests share; their jobs keep them apart."""
    with cloned(admin_dsn, template) as dsn:
        yield dsn


@pytest.fixture
def client(shared_dsn: str) -> Iterator[Client]:
    """A session with the queue."""
    with connect(shared_dsn, purpose="test") as conn:
        yield Client(conn)


@pytest.fixture
def other(shared_dsn: str, client: Client) -> Iterator[Client]:
    """A second session, with the same handler."""
    with connect(shared_dsn, purpose="test") as conn:
        yield Client(conn, client.handler)
