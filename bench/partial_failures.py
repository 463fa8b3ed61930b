"""Batches per second through a real worker when each batch has one bad item, compared with none.

Batches have 5 items, which cost a worker hardly anything, or 50 or 500, as in a corpus of documents. The bad item of
each fails, so its batch is completed partly and the item moves to a batch of its own: once with an error budget of one,
so that this is all, and once with the default budget and no backoff, so that each bad item runs three times. The rate
counts the submitted batches only.

Usage: partial_failures.py [ITEMS]   (default 100,000)
"""

import sys
from contextlib import ExitStack

from psycopg.types.json import Jsonb
from support import harness

from evtrack.storage.connection.connect import connect

_SIZES = (5, 50, 500)
_ENQUEUE = """SELECT evtrack.enqueue('failing', array_agg('K:' || i ORDER BY i),
    array_agg(json_build_object('bad', %s AND i %% %s = 0)::text ORDER BY i), policy => %s, batch_size => %s)
    FROM generate_series(1, %s) i"""


def drain(server: str, batches: int, *, size: int, bad: bool, max_errors: int) -> float:
    """Return the submitted batches per second of a worker that drains one job.

    Args:
        server: The server's connection string.
        batches: The number of batches.
        size: Items of each.
        bad: Whether an item of each batch fails.
        max_errors: The error budget of the job.
    """
    dsn = harness.database(server, "bench_partial_failures")
    with ExitStack() as stack:
        conn = stack.enter_context(connect(dsn, purpose="bench"))
        policy = Jsonb({"max_errors": max_errors, "backoff_s": 0})
        conn.execute(_ENQUEUE, [bad, size, policy, size, batches * size])
        conn.execute("SELECT evtrack.suspend(job_id) FROM evtrack.job")
        harness.vacuum_and_checkpoint(conn)
        options = ["--import", "handlers.failing", "--handler", "failing", "--slots", "1"]
        worker = harness.evtrack("--log-level", "error", "work", "--dsn", dsn, *options)
        stack.callback(harness.stop, worker)
        harness.wait_until(lambda: conn.execute("SELECT count(*) FROM evtrack.worker").fetchone() == (1,))
        conn.execute("SELECT evtrack.resume(job_id) FROM evtrack.job")
        conn.execute("SELECT pg_notify('evtrack_work', 'failing')")
        harness.wait_until(lambda: conn.execute("SELECT phase::text FROM evtrack.job").fetchone() == ("finished",))
        row = conn.execute(
            "SELECT sum(item_count) FILTER (WHERE status = 'failed'),"
            " extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM evtrack.batch"
        ).fetchone()
    assert row
    assert row[0] == (batches if bad else None), row
    return batches / float(row[1])


def main(arguments: list[str]) -> None:
    """Measure and print."""
    items = int(arguments[0]) if arguments else harness.sized(100_000, smoke=1_000)
    with harness.server() as server:
        for size in _SIZES:
            batches = items // size
            clean = drain(server, batches, size=size, bad=False, max_errors=1)
            harness.show(f"batches of {size}, no bad item", clean, "batches/s")
            for budget in (1, 3):
                rate = drain(server, batches, size=size, bad=True, max_errors=budget)
                harness.show(
                    f"batches of {size}, a bad item each, max_errors {budget}", rate, "batches/s", "none", clean
                )


if __name__ == "__main__":
    main(sys.argv[1:])
