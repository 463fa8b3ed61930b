"""The views and the metrics for Prometheus on a log of a million batches, compared with a count of its events.

Usage: views.py [BATCHES]   (default 1,000,000, in jobs of 10,000)
"""

import sys
import time
from typing import Any

from psycopg.types.json import Jsonb
from support import commands, database, harness, measures

from evtrack.runtime.watch.metrics import DatabaseMetrics
from evtrack.storage.connection.connect import Connection, connect

JOB = harness.sized(10_000, smoke=400)
"""Batches per job."""
CHUNK = harness.sized(500, smoke=200)
"""Batches per claim."""
REPEAT = 5
"""How often a query runs; the median counts."""

COUNTED_S = 30.0
"""How long new attempts may take until all of them are counted."""

BASELINE = "SELECT count(*) FROM evtrack.event_log"
QUERIES = {
    "counts by status, one job": "SELECT status, count(*) FROM evtrack.batch_status WHERE job_id = 3 GROUP BY status",
    "counts by status, a row a handler": "SELECT * FROM evtrack.handler_status",
    "progress of one job": "SELECT * FROM evtrack.job_progress WHERE job_id = 3",
    "latest crashes of all": "SELECT job_id, item_key, cause FROM evtrack.crash ORDER BY at DESC LIMIT 10",
    "most common errors of all": (
        "SELECT type, shape, sum(failures) AS n FROM evtrack.error_summary GROUP BY 1, 2 ORDER BY n DESC LIMIT 10"
    ),
    "items that fail most, of all": (
        "SELECT item_key, sum(failures + crashes) AS n FROM evtrack.item_failures GROUP BY 1 ORDER BY n DESC LIMIT 10"
    ),
    "crash rate by day": "SELECT * FROM evtrack.crash_rate_daily WHERE day > current_date - 7",
    "mean and longest duration of all": "SELECT sum(total_s) / sum(batches), max(max_s) FROM evtrack.batch_duration",
    "slowest of all": "SELECT job_id, batch_no, run_s FROM evtrack.slowest_batch LIMIT 10",
    "durations of a day without jobs": "SELECT * FROM evtrack.batch_duration WHERE job_day > current_date + 1",
    "waiting jobs": "SELECT * FROM evtrack.waiting",
    "table sizes": "SELECT * FROM evtrack.table_size",
}


def load(conn: Connection, batches: int) -> None:
    """Submit jobs of one item per batch, and finish all but the last: 1 in 100 fails, 1 in 200 crashes."""
    for number in range(batches // JOB):
        conn.execute(
            "SELECT evtrack.enqueue(%s, array_agg('key:' || i), array_agg('{}'::text), batch_size => 1,"
            ' policy => \'{"max_errors": 1, "max_crashes": 1}\') FROM generate_series(1, %s) AS i',
            [f"handler-{number % 4}", JOB],
        )
    worker = value(conn, "SELECT evtrack.register_worker('bench', 'host', 1, 2, %s, '0')", [["handler-0"]])
    handlers = [f"handler-{number}" for number in range(4)]
    for job in range(1, batches // JOB):
        for _ in range(JOB // CHUNK):
            rows = conn.execute(
                "SELECT job_id, batch_no, attempt FROM evtrack.claim(%s, %s::bigint[], '{0}', %s, %s)",
                [worker, [job], CHUNK, handlers],
            ).fetchall()
            report(conn, worker, rows)
        conn.execute("SELECT evtrack.finish_due(%s)", [job])


def report(conn: Connection, worker: int, rows: list[Any]) -> None:
    """Report the outcomes of claimed batches."""
    bad = len(rows) // 100
    parts = (("fail", rows[:bad]), ("crash", rows[bad : bad + bad // 2]), ("complete", rows[bad + bad // 2 :]))
    for function, part in parts:
        columns = [[row[place] for row in part] for place in range(3)]
        run_s = [0.001 * (row[1] % 997) for row in part]
        more: list[Any] = [run_s]
        if function == "fail":
            more = [run_s, [Jsonb({"type": "ValueError", "message": f"no {row[1] % 7}"}) for row in part]]
        if function == "crash":
            more = [[Jsonb({"cause": "signal", "signal": "SIGSEGV"})] * len(part)]
        casts = {"fail": "%s::float8[], %s::jsonb[]", "crash": "%s::jsonb[]", "complete": "%s::float8[]"}[function]
        query = f"SELECT count(*) FROM evtrack.{function}(%s, %s::bigint[], %s::int[], %s::int[], {casts})"  # noqa: S608  words of this file
        assert value(conn, query, [worker, *columns, *more]) == len(part)


def value(conn: Connection, query: str, parameters: Any = None) -> Any:
    """Return the first column of the first row."""
    row = conn.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


def median_ms(conn: Connection, query: str) -> float:
    """Run a query several times, and return the median."""
    took = []
    for _ in range(REPEAT):
        begun = time.perf_counter()
        conn.execute(query.encode()).fetchall()
        took.append(1000 * (time.perf_counter() - begun))
    return measures.percentile(took, 0.5)


def measure(dsn: str) -> None:
    """Time each query, and a scrape of the metrics without news and with 10,000 new attempts."""
    with connect(dsn, purpose="bench") as conn:
        baseline = median_ms(conn, BASELINE)
        assert value(conn, "SELECT count(*) FROM evtrack.event_log") > 0
        for name, query in QUERIES.items():
            harness.show(name, median_ms(conn, query), "ms", "count of events", baseline)
        # A transaction of any database of the server holds the horizon back, and what is above it is counted as new.
        loaded = value(conn, "SELECT pg_current_xact_id()::text::bigint")
        passed = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > %s"
        commands.wait_until(lambda: value(conn, passed, [loaded]))
        metrics = DatabaseMetrics(dsn=dsn)
        metrics.begin()
        scrapes = [1000 * harness.timed(metrics._read) for _ in range(REPEAT)]  # noqa: SLF001  without the cache
        harness.show("a scrape, nothing new", measures.percentile(scrapes, 0.5), "ms", "count of events", baseline)
        last = value(conn, "SELECT max(job_id) FROM evtrack.job_state")
        worker = value(conn, "SELECT evtrack.register_worker('bench', 'host', 1, 2, %s, '0')", [["handler-0"]])
        handlers = [f"handler-{number}" for number in range(4)]
        for _ in range(JOB // CHUNK):
            rows = conn.execute(
                "SELECT job_id, batch_no, attempt FROM evtrack.claim(%s, %s::bigint[], '{0}', %s, %s)",
                [worker, [last], CHUNK, handlers],
            ).fetchall()
            report(conn, worker, rows)
        took_ms = 1000 * harness.timed(metrics._read)  # noqa: SLF001
        harness.show(f"a scrape, {JOB:,} new attempts", took_ms, "ms", "count of events", baseline)
        # An ANALYZE by autovacuum holds the horizon back, and what is above it is counted later.
        deadline = time.monotonic() + COUNTED_S
        while sum(metrics._counter.attempts.values()) < JOB:  # noqa: SLF001
            assert time.monotonic() < deadline
            metrics._read()  # noqa: SLF001
        assert sum(metrics._counter.attempts.values()) == JOB  # noqa: SLF001
        metrics.close()


def main(arguments: list[str]) -> None:
    """Measure and print."""
    batches = int(arguments[0]) if arguments else harness.sized(1_000_000, smoke=5 * JOB)
    with harness.server() as server:
        dsn = database.create(server, "bench_views")
        with connect(dsn, purpose="bench") as conn:
            load(conn, batches)
            database.tidy(conn)
            ended = value(conn, "SELECT count(*) FROM evtrack.batch WHERE finished_at IS NOT NULL")
            assert ended == batches - JOB, ended
        measure(dsn)


if __name__ == "__main__":
    main(sys.argv[1:])
