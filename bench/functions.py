"""The queue without processes: what the SQL functions reach from one connection, beside plain SQL on the same server.

Usage: functions.py [drain|snapshot|full|progress|enqueue|writers ...]   (default: all)
"""

import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

import lab

from evtrack.storage.connection.connect import Connection, connect

GROUP = 100
CLAIM = """SELECT job_id, batch_no, attempt, payload
    FROM evtrack.claim(%s::bigint, %s::bigint[], %s::int[], %s::int, '{noop}', %s::int)"""
COMPLETE = "SELECT verdict FROM evtrack.complete(%s::bigint, %s::bigint[], %s::int[], %s::int[], %s::float8[])"
ADD = "SELECT evtrack.add_batches(%s::bigint, %s::uuid, %s::int, %s::int[], %s::bigint[], %s::int[])"
PAYLOADS = """INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)
    SELECT j.job_day, j.job_id, i, i, 'K:' || i, '{"i": 1}'
    FROM evtrack.job j, generate_series(%s::int, %s::int) i WHERE j.job_id = %s"""
DEQUEUE = """DELETE FROM q WHERE id = ANY(ARRAY(
    SELECT id FROM q ORDER BY priority, id LIMIT 100 FOR UPDATE SKIP LOCKED)) RETURNING id;"""


def fill(conn: Connection, batches: int) -> int:
    """Submit a sealed job of batches of one item each."""
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


def work(conn: Connection, job: int, *, group: int = GROUP, seconds: float = 1e9) -> tuple[float, list[int]]:
    """Claim and complete until the queue is empty or the time is over; batches a second, and each second's count."""
    row = conn.execute("SELECT evtrack.register_worker('bench', 'bench', 1, 1, '{noop}', '0')").fetchone()
    assert row
    worker, held, after, done = row[0], [], 0, 0
    begun = time.perf_counter()
    course: list[int] = []
    while (elapsed := time.perf_counter() - begun) < seconds:
        with conn.pipeline(), conn.transaction():
            if held:
                jobs, numbers, attempts, _ = zip(*held, strict=True)
                arrays = [list(jobs), list(numbers), list(attempts), [0.001] * len(held)]
                conn.execute(COMPLETE, (worker, *arrays), binary=True)
            claimed = conn.execute(CLAIM, (worker, [job], [after], group, 0), binary=True)
        done += len(held)
        course += [0] * (int(elapsed) + 1 - len(course))
        course[int(elapsed)] += len(held)
        held = claimed.fetchall()
        if not held:
            break
        after = max(row[1] for row in held)
    return done / (time.perf_counter() - begun), course


def raw_dequeue(dsn: str) -> float:
    """Rows a second of a bare DELETE ... SKIP LOCKED, 100 at a time."""
    raw = lab.database(dsn, "bench_raw", migrate=False)
    with connect(raw, purpose="bench") as conn:
        conn.execute("CREATE TABLE q (id bigserial PRIMARY KEY, priority smallint NOT NULL DEFAULT 0, payload jsonb)")
        conn.execute("CREATE INDEX q_claim ON q (priority, id)")
        conn.execute("INSERT INTO q (payload) SELECT '{\"a\": 1}' FROM generate_series(1, 1500000)")
        lab.settle(conn)
        return 100 * lab.pgbench(raw, DEQUEUE, seconds=4)


def drain(dsn: str) -> None:
    """Drain beside a bare dequeue: the price of two events, a projection, exact counters and the payload."""
    raw = raw_dequeue(dsn)
    for group in (10, 100, 500):
        with connect(lab.database(dsn, "bench_queue"), purpose="bench") as conn:
            job = fill(conn, {10: 40_000}.get(group, 150_000))
            lab.settle(conn)
            rate, _ = work(conn, job, group=group)
            lab.show(f"drain in one process, groups of {group}", rate, "batches/s", "raw dequeue", raw)


def snapshot(dsn: str) -> None:
    """Drain while an idle transaction holds a snapshot for the whole run, beside the same without."""
    rates = {}
    for held in (False, True):
        name = lab.database(dsn, "bench_queue")
        with connect(name, purpose="bench") as conn, connect(name, purpose="bench") as other:
            job = fill(conn, 300_000)
            lab.settle(conn)
            if held:
                other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                other.execute("SELECT count(*) FROM evtrack.job")
            rates[held], course = work(conn, job, seconds=15)
            print("  each second:", *course[:15])
    lab.show("drain under a held snapshot", rates[True], "batches/s", "without", rates[False])


def full(dsn: str) -> None:
    """Drain with three million finished batches in the tables, beside empty ones."""
    with connect(lab.database(dsn, "bench_queue"), purpose="bench") as conn:
        job = fill(conn, 100_000)
        lab.settle(conn)
        empty, _ = work(conn, job)
        for _ in range(10):
            work(conn, fill(conn, 300_000), group=1000)
        job = fill(conn, 100_000)
        lab.settle(conn)
        rate, _ = work(conn, job)
        row = conn.execute("SELECT count(*) FROM evtrack.event").fetchone()
        assert row
        lab.show(f"drain with {row[0]:,} events in the log", rate, "batches/s", "empty tables", empty)


def progress(dsn: str) -> None:
    """The cost of one job's progress, for ten batches and for a million."""
    with connect(lab.database(dsn, "bench_queue"), purpose="bench") as conn:
        small, large = fill(conn, 10), fill(conn, 1_000_000)
        work(conn, small)
        work(conn, large, group=1000, seconds=10)
        costs = {}
        for job in (small, large):
            ask = partial(conn.execute, "SELECT * FROM evtrack.job_progress WHERE job_id = %s", (job,))
            costs[job] = lab.percentile([lab.timed(ask) for _ in range(200)], 0.5)
        lab.show("progress of a running job of 1,000,000 batches", costs[large] * 1e3, "ms", "10", costs[small] * 1e3)


def enqueue(dsn: str) -> None:
    """One batch a transaction from one connection, beside a bare INSERT."""
    with connect(lab.database(dsn, "bench_raw", migrate=False), purpose="bench") as conn:
        conn.execute("CREATE TABLE e (id bigserial PRIMARY KEY, data jsonb, at timestamptz DEFAULT now())")
        raw = lab.pgbench(conn.info.dsn, "INSERT INTO e (data) VALUES ('{\"a\": 1}');")
    with connect(lab.database(dsn, "bench_queue"), purpose="bench") as conn:
        whole = lab.pgbench(conn.info.dsn, "SELECT evtrack.enqueue('noop', '{K:1}', '{\"{}\"}');")
        lab.show("one job of one batch a transaction", whole, "jobs/s", "raw INSERT", raw)


def writers(dsn: str) -> None:
    """Many submitters with the wake-up after the commit, beside the same without any."""
    for count in (8, 16):
        with connect(lab.database(dsn, "bench_queue"), purpose="bench") as conn:
            one = "SELECT evtrack.enqueue('noop', '{K:1}', '{\"{}\"}');\n"
            silent = lab.pgbench(conn.info.dsn, one, clients=count)
            rate = _with_wake_ups(conn.info.dsn, one, count)
            lab.show(f"{count} submitters with wake-ups", rate, "jobs/s", "without", silent)


def _with_wake_ups(dsn: str, one: str, count: int) -> float:
    # At most one wake-up a handler in 10 ms, in a statement of its own: what storage/jobs.py does in each client.
    stop = threading.Event()

    def notify() -> None:
        with connect(dsn, purpose="bench") as conn:
            while not stop.wait(0.01):
                for _ in range(count):
                    conn.execute("SELECT pg_notify('evtrack_work', 'noop')")

    thread = threading.Thread(target=notify)
    thread.start()
    try:
        return lab.pgbench(dsn, one, clients=count)
    finally:
        stop.set()
        thread.join()


ALL: dict[str, Callable[[str], None]] = {
    each.__name__: each for each in (drain, snapshot, full, progress, enqueue, writers)
}

if __name__ == "__main__":
    with lab.server() as server:
        for name in sys.argv[1:] or ALL:
            ALL[name](server)
