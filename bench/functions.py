"""The SQL functions called from one connection, without workers, compared with plain SQL on the same server.

Usage: functions.py [drain|snapshot|full|progress|enqueue|writers ...]   (default: all)
"""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from support import harness

from evtrack.storage.connection.connect import Connection, connect

GROUP = 100
"""Batches per claim, unless a benchmark varies it."""
CLAIM = """SELECT job_id, batch_no, attempt, payload
    FROM evtrack.claim(%s::bigint, %s::bigint[], %s::int[], %s::int, '{noop}', %s::int)"""
COMPLETE = "SELECT verdict FROM evtrack.complete(%s::bigint, %s::bigint[], %s::int[], %s::int[], %s::float8[])"
ADD = "SELECT evtrack.add_batches(%s::bigint, %s::uuid, %s::int, %s::int[], %s::bigint[], %s::int[])"
PAYLOADS = """INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)
    SELECT j.job_day, j.job_id, i, i, 'K:' || i, '{"i": 1}'
    FROM evtrack.job j, generate_series(%s::int, %s::int) i WHERE j.job_id = %s"""
ENQUEUE = "SELECT evtrack.enqueue('noop', '{K:1}', '{\"{}\"}');"
DEQUEUE = """DELETE FROM q WHERE id = ANY(ARRAY(
    SELECT id FROM q ORDER BY priority, id LIMIT 100 FOR UPDATE SKIP LOCKED)) RETURNING id;"""

_RAW_ROWS = harness.sized(1_500_000, smoke=10_000)


def fill(conn: Connection, batches: int) -> int:
    """Submit a sealed job of batches of one item each, and return its id."""
    row = conn.execute("SELECT job_id, submitter_token FROM evtrack.create_job('noop')").fetchone()
    assert row
    job, token = int(row[0]), UUID(str(row[1]))
    for first in range(1, batches + 1, 20_000):
        numbers = range(first, min(first + 20_000, batches + 1))
        ones = [1] * len(numbers)
        with conn.transaction():
            conn.execute(PAYLOADS, (first, numbers[-1], job))
            conn.execute(ADD, (job, token, first, ones, ones, list(numbers)))
    conn.execute("SELECT evtrack.seal(%s, %s)", (job, token))
    return job


@dataclass(frozen=True)
class Run:
    """What one connection did: batches, seconds, seconds of the server's CPU if known, and batches in each second."""

    batches: int
    took_s: float
    cpu_s: float | None
    per_second: list[int]

    @property
    def rate(self) -> float:
        """Batches per second."""
        return self.batches / self.took_s


def work(conn: Connection, job: int, *, group: int = GROUP, seconds: float = 1e9) -> Run:
    """Claim and complete batches of a job, `group` at a time, until none is left or the time is over."""
    row = conn.execute("SELECT evtrack.register_worker('bench', 'bench', 1, 1, '{noop}', '0')").fetchone()
    assert row
    worker, after, done = row[0], 0, 0
    held: list[tuple[Any, ...]] = []
    per_second: list[int] = []
    cpu_before, begun = harness.backend_cpu_s(conn), time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        with conn.pipeline(), conn.transaction():
            if held:
                jobs, numbers, attempts, _ = zip(*held, strict=True)
                arrays = [list(jobs), list(numbers), list(attempts), [0.001] * len(held)]
                conn.execute(COMPLETE, (worker, *arrays), binary=True)
            claimed = conn.execute(CLAIM, (worker, [job], [after], group, 0), binary=True)
        done += len(held)
        per_second += [0] * (int(elapsed) + 1 - len(per_second))
        per_second[int(elapsed)] += len(held)
        held = claimed.fetchall()
        if not held:
            break
        after = max(row[1] for row in held)
    took_s, cpu_after = time.perf_counter() - begun, harness.backend_cpu_s(conn)
    cpu_s = None if cpu_before is None or cpu_after is None else cpu_after - cpu_before
    return Run(done, took_s, cpu_s, per_second)


def work_off(conn: Connection, batches: int, *, group: int = GROUP) -> Run:
    """Submit a job, then claim and complete all of its batches."""
    job = fill(conn, batches)
    harness.vacuum_and_checkpoint(conn)
    run = work(conn, job, group=group)
    row = conn.execute("SELECT batches_completed FROM evtrack.job_progress WHERE job_id = %s", (job,)).fetchone()
    assert row == (run.batches,) == (batches,), (row, run)
    return run


def raw_dequeue(dsn: str) -> float:
    """Return the rows per second of a bare DELETE ... SKIP LOCKED, 100 at a time."""
    raw = harness.database(dsn, "bench_functions_raw", migrate=False)
    with connect(raw, purpose="bench") as conn:
        conn.execute("CREATE TABLE q (id bigserial PRIMARY KEY, priority smallint NOT NULL DEFAULT 0, payload jsonb)")
        conn.execute("CREATE INDEX q_claim ON q (priority, id)")
        conn.execute("INSERT INTO q (payload) SELECT '{\"a\": 1}' FROM generate_series(1, %s::int)", [_RAW_ROWS])
        harness.vacuum_and_checkpoint(conn)
        return 100 * harness.pgbench(raw, DEQUEUE, seconds=4)


def drain(dsn: str) -> None:
    """Compare draining with a bare dequeue: the cost of two events, a projection, exact counters and the payload."""
    raw = raw_dequeue(dsn)
    for group in (10, 100, 500):
        with connect(harness.database(dsn, "bench_functions"), purpose="bench") as conn:
            run = work_off(conn, harness.sized({10: 40_000}.get(group, 150_000), smoke=3 * group), group=group)
        name = f"drain in one process, groups of {group}"
        harness.show(name, run.rate, "batches/s", "raw dequeue", raw)
        if run.cpu_s is not None:
            harness.show(f"{name}: the server's CPU", 1e6 * run.cpu_s / run.batches, "us/batch")


def snapshot(dsn: str) -> None:
    """Compare draining while an idle transaction holds a snapshot with draining without one."""
    rates = {}
    for held in (False, True):
        name = harness.database(dsn, "bench_functions")
        with connect(name, purpose="bench") as conn, connect(name, purpose="bench") as other:
            job = fill(conn, harness.sized(300_000, smoke=1000))
            harness.vacuum_and_checkpoint(conn)
            if held:
                other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                other.execute("SELECT count(*) FROM evtrack.job")
            run = work(conn, job, seconds=15)
            assert run.batches
            rates[held] = run.rate
            print("  each second:", *run.per_second[:15])
    harness.show("drain under a held snapshot", rates[True], "batches/s", "without", rates[False])


def full(dsn: str) -> None:
    """Compare draining with three million finished batches in the tables with draining in empty tables."""
    with connect(harness.database(dsn, "bench_functions"), purpose="bench") as conn:
        empty = work_off(conn, harness.sized(100_000, smoke=500))
        for _ in range(harness.sized(10, smoke=1)):
            work(conn, fill(conn, harness.sized(300_000, smoke=2000)), group=1000)
        run = work_off(conn, harness.sized(100_000, smoke=500))
        row = conn.execute("SELECT count(*) FROM evtrack.event").fetchone()
        assert row
        harness.show(f"drain with {row[0]:,} events in the log", run.rate, "batches/s", "empty tables", empty.rate)


def progress(dsn: str) -> None:
    """Compare the time to read the progress of a job of a million batches with that of a job of ten."""
    batches = harness.sized(1_000_000, smoke=2000)
    with connect(harness.database(dsn, "bench_functions"), purpose="bench") as conn:
        small, large = fill(conn, 10), fill(conn, batches)
        work(conn, small)
        run = work(conn, large, group=1000, seconds=10)
        row = conn.execute("SELECT batches_completed FROM evtrack.job_progress WHERE job_id = %s", (large,)).fetchone()
        assert row == (run.batches,), row
        costs = {}
        for job in (small, large):
            ask = partial(conn.execute, "SELECT * FROM evtrack.job_progress WHERE job_id = %s", (job,))
            costs[job] = harness.percentile([harness.timed(ask) for _ in range(harness.sized(200, smoke=5))], 0.5)
        name = f"progress of a running job of {batches:,} batches"
        harness.show(name, costs[large] * 1e3, "ms", "10", costs[small] * 1e3)


def enqueue(dsn: str) -> None:
    """Compare one job of one batch per transaction, from one connection, with a bare INSERT."""
    raw_dsn = harness.database(dsn, "bench_functions_raw", migrate=False)
    with connect(raw_dsn, purpose="bench") as conn:
        conn.execute("CREATE TABLE e (id bigserial PRIMARY KEY, data jsonb, at timestamptz DEFAULT now())")
    raw = harness.pgbench(raw_dsn, "INSERT INTO e (data) VALUES ('{\"a\": 1}');")
    queue_dsn = harness.database(dsn, "bench_functions")
    rate = harness.pgbench(queue_dsn, ENQUEUE)
    with connect(queue_dsn, purpose="bench") as conn:
        row = conn.execute("SELECT count(*) > 0 AND count(*) = sum(batches) FROM evtrack.job_progress").fetchone()
    assert row == (True,)
    harness.show("one job of one batch per transaction", rate, "jobs/s", "raw INSERT", raw)


def writers(dsn: str) -> None:
    """Compare many submitters that send wake-ups after their commits with as many that send none."""
    for count in (8,) if harness.SMOKE else (8, 16):
        queue_dsn = harness.database(dsn, "bench_functions")
        silent = harness.pgbench(queue_dsn, ENQUEUE, clients=count)
        rate = _with_wake_ups(queue_dsn, count)
        harness.show(f"{count} submitters with wake-ups", rate, "jobs/s", "without", silent)


def _with_wake_ups(dsn: str, count: int) -> float:
    # Each client of storage sends a wake-up in a statement of its own, at most one per handler every 10 ms.
    stop = threading.Event()

    def notify() -> None:
        with connect(dsn, purpose="bench") as conn:
            while not stop.wait(0.01):
                for _ in range(count):
                    conn.execute("SELECT pg_notify('evtrack_work', 'noop')")

    thread = threading.Thread(target=notify)
    thread.start()
    try:
        return harness.pgbench(dsn, ENQUEUE, clients=count)
    finally:
        stop.set()
        thread.join()


ALL: dict[str, Callable[[str], None]] = {
    each.__name__: each for each in (drain, snapshot, full, progress, enqueue, writers)
}

if __name__ == "__main__":
    with harness.server() as server:
        for name in sys.argv[1:] or ALL:
            ALL[name](server)
