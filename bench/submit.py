"""Submitting one item a batch through the Python API, beside pgqueuer's bulk enqueue.

Usage: submit.py [ITEMS]   (default 100,000; the extra `bench` brings the peer)
"""

import sys
import time

import lab
import peer_pgqueuer

import evtrack


def submit(server: str, items: int) -> float:
    """Submit so many batches of one item; batches a second."""
    dsn = lab.database(server, "bench_submit")
    source = ({"id": number} for number in range(items))
    begun = time.perf_counter()
    evtrack.submit(source, handler="noop", key="id", batch_size=1, connection=dsn)
    return items / (time.perf_counter() - begun)


def peer(server: str, items: int) -> float:
    """Enqueue as many with the peer, 1,000 a call; jobs a second."""
    dsn = lab.database(server, "bench_pgqueuer", migrate=False)
    peer_pgqueuer.install(dsn)
    return peer_pgqueuer.bulk(dsn, items)


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if sys.argv[1:] else 100_000
    with lab.server() as running:
        for _ in range(3):
            lab.show("submit, 1 item a batch", submit(running, wanted), "batches/s", "pgqueuer", peer(running, wanted))
