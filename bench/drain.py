"""Batches a second through isolated slots: no-op handlers, one item a batch, by 1 and 2 workers.

Each worker is the real command with one slot. The job is submitted and the tables are analyzed first; the time runs
from the first claim to the last completion, by the database's clock. Also with an idle transaction that holds a
snapshot during the whole run, and, when the extra `bench` is installed and asked for, beside pgqueuer.

Usage: drain.py [BATCHES] [--peer]   (default 100,000)
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import lab

from evtrack.storage.connection.connect import connect

HERE = Path(__file__).parent
_PATIENCE_S = 300
_RAW_CLAIM = """DELETE FROM q WHERE id = ANY(ARRAY(
    SELECT id FROM q ORDER BY priority, id LIMIT 100 FOR UPDATE SKIP LOCKED)) RETURNING id;"""


def worker(dsn: str) -> "subprocess.Popen[bytes]":
    """Start a worker with one slot."""
    options = ["--import", "noop", "--handler", "noop", "--slots", "1"]
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "evtrack", "--log-level", "warning", "work", "--dsn", dsn, *options],
        cwd=HERE,
        env={k: v for k, v in os.environ.items() if not k.startswith("EVTRACK_")},
    )


def drain(server: str, batches: int, *, workers: int, snapshot: bool = False) -> float:
    """Have workers drain a job, and return batches a second."""
    dsn = lab.database(server, "bench_drain")
    with ExitStack() as stack:
        conn = stack.enter_context(connect(dsn, purpose="bench"))
        conn.execute(
            "SELECT evtrack.enqueue('noop', array_agg('K:' || i), array_agg('{\"i\": 1}'::text), batch_size => 1)"
            " FROM generate_series(1, %s) i",
            [batches],
        )
        conn.execute("SELECT evtrack.suspend(job_id) FROM evtrack.job")
        lab.settle(conn)
        if snapshot:
            holder = stack.enter_context(connect(dsn, purpose="snapshot"))
            holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            holder.execute("SELECT count(*) FROM evtrack.job")
        processes = [worker(dsn) for _ in range(workers)]
        try:
            until(lambda: conn.execute("SELECT count(*) FROM evtrack.worker").fetchone() == (workers,))
            conn.execute("SELECT evtrack.resume(job_id) FROM evtrack.job")
            conn.execute("SELECT pg_notify('evtrack_work', 'noop')")
            until(lambda: conn.execute("SELECT phase::text FROM evtrack.job").fetchone() == ("finished",))
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(30)
        row = conn.execute(
            "SELECT count(*) / extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM evtrack.batch"
        ).fetchone()
    assert row
    return float(row[0])


def raw(server: str, *, clients: int) -> float:
    """Return rows a second that pgbench takes from a bare queue table, 100 a claim."""
    dsn = lab.database(server, "bench_raw", migrate=False)
    with connect(dsn, purpose="bench") as conn:
        conn.execute("CREATE TABLE q (id bigint PRIMARY KEY, priority int NOT NULL, payload text)")
        conn.execute("INSERT INTO q SELECT i, 0, '{}' FROM generate_series(1, 2000000) i")
        conn.execute("CREATE INDEX ON q (priority, id)")
        lab.settle(conn)
    return 100 * lab.pgbench(dsn, _RAW_CLAIM, clients=clients, seconds=3)


def until(true: object) -> None:
    """Ask until something is true."""
    deadline = time.monotonic() + _PATIENCE_S
    while not true():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError(f"not drained within {_PATIENCE_S} s")
        time.sleep(0.02)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    numbers = [int(word) for word in arguments if word.isdecimal()]
    batches = numbers[0] if numbers else 100_000
    with lab.server() as server:
        for workers in (1, 2):
            limit = raw(server, clients=workers)
            lab.show(f"raw dequeue, 100 a claim, {workers} clients", limit, "rows/s")
            name = f"drain, isolated slots, {workers} worker{'s' if workers > 1 else ''}"
            free = drain(server, batches, workers=workers)
            lab.show(name, free, "batches/s", "raw", limit)
            held = drain(server, batches, workers=workers, snapshot=True)
            lab.show(f"{name}, a snapshot held", held, "batches/s", "without", free)
            if "--peer" in arguments:
                import peer_pgqueuer  # noqa: PLC0415  # asks for the extra

                dsn = lab.database(server, "bench_pgqueuer", migrate=False)
                peer_pgqueuer.install(dsn)
                peer_pgqueuer.bulk(dsn, batches)
                peer = peer_pgqueuer.drain(dsn, batches, workers=workers)
                lab.show(name, free, "batches/s", "pgqueuer", peer)


if __name__ == "__main__":
    main(sys.argv[1:])
