"""Batches per second through real workers: no-op handlers, one item per batch, 1 and 2 workers.

Each worker is the real command with one slot. The job is submitted and the tables are analyzed first. The time runs
from the first claim to the last completion, by the database's clock. Each run is repeated while an idle transaction
holds a snapshot and, with --peer, compared with pgqueuer.

Usage: drain.py [BATCHES] [--peer]   (default 100,000)
"""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import peer_pgqueuer
from support import harness

from evtrack.storage.connection.connect import connect

if TYPE_CHECKING:
    import subprocess

_WORKERS = (2,) if harness.SMOKE else (1, 2)
_RAW_ROWS = harness.sized(2_000_000, smoke=20_000)
_RAW_CLAIM = """DELETE FROM q WHERE id = ANY(ARRAY(
    SELECT id FROM q ORDER BY priority, id LIMIT 100 FOR UPDATE SKIP LOCKED)) RETURNING id;"""


def start_worker(dsn: str) -> "subprocess.Popen[bytes]":
    """Start a worker with one slot."""
    options = ["--import", "handlers.noop", "--handler", "noop", "--slots", "1"]
    return harness.evtrack("--log-level", "warning", "work", "--dsn", dsn, *options)


def drain(server: str, batches: int, *, workers: int, snapshot: bool = False) -> float:
    """Return the batches per second of workers that drain one job.

    Args:
        server: The server's connection string.
        batches: The number of batches.
        workers: The number of workers.
        snapshot: Whether an idle transaction holds a snapshot during the whole run.
    """
    dsn = harness.database(server, "bench_drain")
    with ExitStack() as stack:
        conn = stack.enter_context(connect(dsn, purpose="bench"))
        conn.execute(
            "SELECT evtrack.enqueue('noop', array_agg('K:' || i), array_agg('{\"i\": 1}'::text), batch_size => 1)"
            " FROM generate_series(1, %s) i",
            [batches],
        )
        conn.execute("SELECT evtrack.suspend(job_id) FROM evtrack.job")
        harness.vacuum_and_checkpoint(conn)
        if snapshot:
            holder = stack.enter_context(connect(dsn, purpose="snapshot"))
            holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            holder.execute("SELECT count(*) FROM evtrack.job")
        stack.callback(harness.stop, *(start_worker(dsn) for _ in range(workers)))
        harness.wait_until(lambda: conn.execute("SELECT count(*) FROM evtrack.worker").fetchone() == (workers,))
        conn.execute("SELECT evtrack.resume(job_id) FROM evtrack.job")
        conn.execute("SELECT pg_notify('evtrack_work', 'noop')")
        harness.wait_until(lambda: conn.execute("SELECT phase::text FROM evtrack.job").fetchone() == ("finished",))
        row = conn.execute(
            "SELECT count(*) FILTER (WHERE status = 'completed'),"
            " count(*) / extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM evtrack.batch"
        ).fetchone()
    assert row
    assert row[0] == batches, row
    return float(row[1])


def drain_bare_table(server: str, *, clients: int) -> float:
    """Return the rows per second that pgbench takes from a bare queue table, 100 per claim."""
    dsn = harness.database(server, "bench_drain_raw", migrate=False)
    with connect(dsn, purpose="bench") as conn:
        conn.execute("CREATE TABLE q (id bigint PRIMARY KEY, priority int NOT NULL, payload text)")
        conn.execute("INSERT INTO q SELECT i, 0, '{}' FROM generate_series(1, %s::int) i", [_RAW_ROWS])
        conn.execute("CREATE INDEX ON q (priority, id)")
        harness.vacuum_and_checkpoint(conn)
        rate = 100 * harness.pgbench(dsn, _RAW_CLAIM, clients=clients, seconds=3)
        left = conn.execute("SELECT count(*) FROM q").fetchone()
    assert left
    assert left[0] < _RAW_ROWS, left
    return rate


def drain_peer(server: str, batches: int, *, workers: int) -> float:
    """Return the jobs per second of pgqueuer."""
    dsn = harness.database(server, "bench_drain_peer", migrate=False)
    peer_pgqueuer.install(dsn)
    peer_pgqueuer.bulk(dsn, batches)
    return peer_pgqueuer.drain(dsn, batches, workers=workers)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    numbers = [int(word) for word in arguments if word.isdecimal()]
    batches = numbers[0] if numbers else harness.sized(100_000, smoke=1000)
    with harness.server() as server:
        for workers in _WORKERS:
            limit = drain_bare_table(server, clients=workers)
            harness.show(f"raw dequeue, 100 per claim, {workers} client{'s'[: workers - 1]}", limit, "rows/s")
            name = f"drain, isolated slots, {workers} worker{'s'[: workers - 1]}"
            rate = drain(server, batches, workers=workers)
            harness.show(name, rate, "batches/s", "raw", limit)
            held = drain(server, batches, workers=workers, snapshot=True)
            harness.show(f"{name}, a snapshot held", held, "batches/s", "without", rate)
            if "--peer" in arguments or harness.SMOKE:
                harness.show(name, rate, "batches/s", "pgqueuer", drain_peer(server, batches, workers=workers))


if __name__ == "__main__":
    main(sys.argv[1:])
