"""Sessions of workers, and a reaper whose times tests move back instead of waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from client import Client
from evtrack.storage.connection.connect import connect

GRACE = "1 hour"
"""What has been seen gone just now is within it."""


@contextmanager
def session(dsn: str, worker: int) -> Iterator[Client]:
    """Hold a worker's lock, and report it with a heartbeat."""
    with connect(dsn, purpose="test worker") as conn:
        client = Client(conn)
        client.one("SELECT pg_advisory_lock(hashtextextended('evtrack.worker', %s))", worker)
        assert client.one("SELECT evtrack.heartbeat(%s, 1)", worker) is True
        yield client
    # The server notices the end of a connection a moment later.


def reap(client: Client, grace: str = GRACE, lease: str = GRACE) -> list[tuple[int, str, int]]:
    """Reap, and return worker, reason and number of batches."""
    rows = client.rows("SELECT * FROM evtrack.reap(%s::interval, %s::interval)", grace, lease)
    return [(row["worker_id"], row["why"], row["batches"]) for row in rows]


def gone_at(client: Client, worker: int) -> Any:
    """Return since when the worker's lock is seen gone."""
    return client.one("SELECT gone_at FROM evtrack.worker WHERE worker_id = %s", worker)


def seen_gone(client: Client, worker: int) -> Any:
    """Run a reaper, and return since when the lock is missing."""
    assert [] == reap(client)
    return gone_at(client, worker)


def age(client: Client, worker: int, column: str, by: str = "2 hours") -> None:
    """Move one of the worker's times back."""
    client.conn.execute(
        f"UPDATE evtrack.worker SET {column} = {column} - %s::interval WHERE worker_id = %s".encode(), (by, worker)
    )


def step(client: Client, by: str) -> None:
    """Let the server's clock seem to have stepped since the last reaping: what it wrote down is that much older."""
    client.conn.execute("UPDATE evtrack.upkeep SET reaped_at = reaped_at - %s::interval", [by])
    client.conn.execute(
        "UPDATE evtrack.upkeep SET steady_since = steady_since - %s::interval WHERE steady_since IS NOT NULL", [by]
    )
    client.conn.execute(
        "UPDATE evtrack.worker SET seen_at = seen_at - %s::interval, gone_at = gone_at - %s::interval"
        " WHERE lost_at IS NULL AND stopped_at IS NULL",
        [by, by],
    )
