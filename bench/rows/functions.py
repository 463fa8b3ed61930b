"""The SQL functions alone: one connection that claims and completes groups of batches, without workers and slots."""

import time
from typing import Any

from support import commands, database, harness
from support.evtrack_queue import FILL
from support.row import Beside, Line, Row, Run, report

from evtrack.storage.connection.connect import Connection, connect

_CLAIM = """SELECT job_id, batch_no, attempt, payload
    FROM evtrack.claim(%s::bigint, %s::bigint[], %s::int[], %s::int, '{stamped}', %s::int)"""
_COMPLETE = "SELECT verdict FROM evtrack.complete(%s::bigint, %s::bigint[], %s::int[], %s::int[], %s::float8[])"
_TARGETS = {100: 0.26, 500: 0.40}

ROW = Row(
    runs=tuple(
        Run(f"{group}", {"batches": batches, "group": group}, {"batches": 2 * group}, seconds=10)
        for group, batches in ((100, 60_000), (500, 80_000))
    ),
    lines=tuple(
        Line(
            f"SQL functions alone, groups of {group}",
            run=f"{group}",
            figure="jobs_s",
            unit="batches/s",
            beside=(Beside("bare table, 100 a claim", "raw/1", target=target),),
        )
        for group, target in _TARGETS.items()
    )
    + tuple(
        Line(f"The server's CPU for a batch, groups of {group}", run=f"{group}", figure="cpu_us", unit="us")
        for group in _TARGETS
    ),
)


def measure(server: str, *, batches: int, group: int) -> dict[str, float]:
    """Claim and complete so many batches."""
    dsn = database.create(server, "bench_functions")
    with connect(dsn, purpose="bench") as conn:
        conn.execute(FILL, [batches])
        database.tidy(conn)
        figures = work(conn, 1, group=group)
        conn.execute("SELECT evtrack.finish_due(job_id) FROM evtrack.job")
        commands.check_done(conn, batches)
    commands.verify(dsn)
    return figures


def work(conn: Connection, job: int, *, group: int) -> dict[str, float]:
    """Claim and complete all batches of a job: as a worker does, the completions and the next claim in one commit."""
    worker = database.value(conn, "SELECT evtrack.register_worker('bench', 'bench', 1, 1, '{stamped}', '0')")
    after, done = 0, 0
    held: list[tuple[Any, ...]] = []
    cpu_before, begun = harness.backend_cpu_s(conn), time.perf_counter()
    while True:
        with conn.pipeline(), conn.transaction():
            if held:
                jobs, numbers, attempts, _ = zip(*held, strict=True)
                arrays = [list(jobs), list(numbers), list(attempts), [0.001] * len(held)]
                conn.execute(_COMPLETE, (worker, *arrays), binary=True)
            claimed = conn.execute(_CLAIM, (worker, [job], [after], group, 0), binary=True)
        done += len(held)
        held = claimed.fetchall()
        if not held:
            break
        after = max(row[1] for row in held)
    took_s, cpu_after = time.perf_counter() - begun, harness.backend_cpu_s(conn)
    figures = {"jobs_s": done / took_s}
    if cpu_before is not None and cpu_after is not None:
        figures["cpu_us"] = 1e6 * (cpu_after - cpu_before) / done
    return figures


if __name__ == "__main__":
    report(measure)
