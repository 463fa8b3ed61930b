"""The views and the figures for Prometheus on a log of a million batches, each beside a count of its events.

Usage: views.py [BATCHES]   (default 1,000,000, in jobs of 10,000)
"""

import sys
import time
from typing import Any

import lab
from psycopg.types.json import Jsonb

from evtrack.runtime.watch.metrics import DatabaseMetrics
from evtrack.storage.connection.connect import Connection, connect

JOB = 10_000
CHUNK = 500
LOOK = 5
"""How often a question is asked; the median counts."""

BASELINE = "SELECT count(*) FROM evtrack.event_log"
QUESTIONS = {
    "counts by status, one job": "SELECT status, count(*) FROM evtrack.batch_status WHERE job_id = 3 GROUP BY status",
    "counts by status, a row a handler": "SELECT * FROM evtrack.handler_status",
    "progress of one job": "SELECT * FROM evtrack.job_progress WHERE job_id = 3",
    "latest crashes of all": "SELECT job_id, item_key, cause FROM evtrack.crash ORDER BY at DESC LIMIT 10",
    "most common errors of all": (
        "SELECT type, message, sum(failures) AS n FROM evtrack.error_summary GROUP BY 1, 2 ORDER BY n DESC LIMIT 10"
    ),
    "items that fail most, of all": (
        "SELECT item_key, sum(failures + crashes) AS n FROM evtrack.item_failures GROUP BY 1 ORDER BY n DESC LIMIT 10"
    ),
    "crash rate by day": "SELECT * FROM evtrack.crash_rate_daily WHERE day > current_date - 7",
    "mean and longest duration of all": "SELECT sum(total_s) / sum(batches), max(max_s) FROM evtrack.batch_duration",
    "slowest of all": "SELECT job_id, batch_no, run_s FROM evtrack.slowest_batch LIMIT 10",
    "durations of a day without jobs": "SELECT * FROM evtrack.batch_duration WHERE job_day > current_date + 1",
    "what waits": "SELECT * FROM evtrack.waiting",
    "table sizes": "SELECT * FROM evtrack.table_size",
}


def load(conn: Connection, batches: int) -> None:
    """Make jobs of one item a batch, and work on all but the last: 1 in 100 fails, 1 in 200 crashes."""
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
    """Report a chunk."""
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
        conn.execute(
            f"SELECT count(*) FROM evtrack.{function}(%s, %s::bigint[], %s::int[], %s::int[], {casts})".encode(),  # noqa: S608  words of this file
            [worker, *columns, *more],
        )


def value(conn: Connection, query: str, parameters: Any = None) -> Any:
    """Return the first column of the first row."""
    row = conn.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


def median_ms(conn: Connection, query: str) -> float:
    """Ask some times and return the median."""
    took = []
    for _ in range(LOOK):
        begun = time.perf_counter()
        conn.execute(query.encode()).fetchall()
        took.append(1000 * (time.perf_counter() - begun))
    return lab.percentile(took, 0.5)


def ask(dsn: str) -> None:
    """Time each question, and what a scrape reads when nothing is new and when 10,000 attempts are."""
    with connect(dsn, purpose="bench") as conn:
        baseline = median_ms(conn, BASELINE)
        for name, query in QUESTIONS.items():
            lab.show(name, median_ms(conn, query), "ms", "count of events", baseline)
        figures = DatabaseMetrics(dsn=dsn)
        figures.begin()
        scrapes = [1000 * lab.timed(figures._read) for _ in range(LOOK)]  # noqa: SLF001  without the cache
        lab.show("a scrape, nothing new", lab.percentile(scrapes, 0.5), "ms", "count of events", baseline)
        last = value(conn, "SELECT max(job_id) FROM evtrack.job_state")
        worker = value(conn, "SELECT evtrack.register_worker('bench', 'host', 1, 2, %s, '0')", [["handler-0"]])
        handlers = [f"handler-{number}" for number in range(4)]
        for _ in range(JOB // CHUNK):
            rows = conn.execute(
                "SELECT job_id, batch_no, attempt FROM evtrack.claim(%s, %s::bigint[], '{0}', %s, %s)",
                [worker, [last], CHUNK, handlers],
            ).fetchall()
            report(conn, worker, rows)
        lab.show(f"a scrape, {JOB:,} new attempts", 1000 * lab.timed(figures._read), "ms", "count of events", baseline)  # noqa: SLF001
        assert sum(figures._counting.attempts.values()) == JOB  # noqa: SLF001
        figures.close()


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    with lab.server() as running:
        made = lab.database(running, "bench_views")
        with connect(made, purpose="bench") as connection:
            load(connection, wanted)
            lab.settle(connection)
        ask(made)
