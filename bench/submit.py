"""Submission of one item per batch through the Python API, compared with pgqueuer's bulk enqueue.

Usage: submit.py [ITEMS]   (default 100,000)
"""

import sys

import peer_pgqueuer
from support import harness

import evtrack
from evtrack.storage.connection.connect import connect


def submit(server: str, items: int) -> float:
    """Return the batches per second of a submission of `items` batches with one item each."""
    dsn = harness.database(server, "bench_submit")
    source = ({"id": number} for number in range(items))
    took = harness.timed(lambda: evtrack.submit(source, handler="noop", key="id", batch_size=1, connection=dsn))
    with connect(dsn, purpose="bench") as conn:
        row = conn.execute("SELECT total, batches FROM evtrack.job_progress").fetchone()
    assert row == (items, items), row
    return items / took


def submit_to_peer(server: str, items: int) -> float:
    """Return the jobs per second that the peer enqueues, 1,000 per call."""
    dsn = harness.database(server, "bench_submit_peer", migrate=False)
    peer_pgqueuer.install(dsn)
    rate = peer_pgqueuer.bulk(dsn, items)
    assert peer_pgqueuer.queued(dsn) == items
    return rate


def main(arguments: list[str]) -> None:
    """Measure and print."""
    items = int(arguments[0]) if arguments else harness.sized(100_000, smoke=1000)
    with harness.server() as server:
        for _ in range(harness.sized(3, smoke=1)):
            rate, peer = submit(server, items), submit_to_peer(server, items)
            harness.show("submit, 1 item per batch", rate, "batches/s", "pgqueuer", peer)


if __name__ == "__main__":
    main(sys.argv[1:])
