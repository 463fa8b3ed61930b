"""What tests of commands share: a session and a job with known events."""

import pytest

from client import Client
from evtrack.storage.connection.connect import Connection


@pytest.fixture
def client(conn: Connection) -> Client:
    """A session with this test's own database."""
    return Client(conn, "annotate")


@pytest.fixture
def job(client: Client) -> int:
    """A finished job of 3 batches of 4: done, failed with a nasty message, crashed on item 10 (4) and done (5)."""
    job, worker = client.job(3, items=4, max_errors=1, max_crashes=1), client.worker()
    one, two, three = client.claim(worker, job)
    client.complete(worker, [one])
    client.fail(worker, [two], {"type": "ValueError", "message": "two\nlines \x1b[2J"})
    client.crash(worker, [three], cause="signal", signal="SIGSEGV", item_key="key:10", ordinal=10)
    client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    return job
