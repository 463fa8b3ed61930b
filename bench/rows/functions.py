"""The SQL functions alone: one connection that claims and completes groups of batches, without workers and slots."""

import time
from typing import Any

from support import commands, database, harness
from support.evtrack_queue import FILL
from support.row import Beside, Line, Row, Run, report

from evtrack.storage.connection.connect import Connection, connect

_CLAIM = """SELECT job_id, batch_no, attempt, payload
    FROM evtrack.claim(%s::bigint, %s::bigint[], %s::int[], %s::int, '{stamped}', %s::int)"""
_EXCHANGE = """SELECT job_id, batch_no, attempt, payload, verdict FROM evtrack.exchange(
    %s::bigint, %s::bigint[], %s::int[], %s::int[], %s::float8[],
    claim_jobs => %s::bigint[], after => %s::int[], max_fresh => %s::int, handlers => '{stamped}')"""
_COMPLETE = "SELECT verdict FROM evtrack.complete(%s::bigint, %s::bigint[], %s::int[], %s::int[], %s::float8[])"
_TARGETS = {100: 0.26, 500: 0.40}

ROW = Row(
    runs=(
        Run("100", {"batches": 50_000, "group": 100}, {"batches": 200}, seconds=10),
        Run("500", {"batches": 50_000, "group": 500}, None, seconds=10),
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


def work(conn: Connection, job: int, *, group: int, most: int | None = None) -> dict[str, float]:
    """Claim and complete the batches of a job: as a worker does, the completions and the next claim in one commit.

    Args:
        conn: The database.
        job: The job.
        group: How many batches to claim at once.
        most: How many batches to complete; None for all.
    """
    worker = database.value(conn, "SELECT evtrack.register_worker('bench', 'bench', 1, 1, '{stamped}', '0')")
    step = _exchange if database.value(conn, "SELECT to_regproc('evtrack.exchange') IS NOT NULL") else _two_calls
    after, done = 0, 0
    held: list[tuple[Any, ...]] = []
    cpu_before, begun = harness.backend_cpu_s(conn), time.perf_counter()
    while True:
        jobs, numbers, attempts = ([batch[place] for batch in held] for place in range(3))
        arrays = [jobs, numbers, attempts, [0.001] * len(held)]
        wanted = group if most is None else min(group, most - done - len(held))
        claimed = step(conn, worker, arrays, [[job], [after], wanted])
        done += len(held)
        held = claimed
        if not held:
            break
        after = max(row[1] for row in held)
    took_s, cpu_after = time.perf_counter() - begun, harness.backend_cpu_s(conn)
    figures = {"jobs_s": done / took_s}
    if cpu_before is not None and cpu_after is not None:
        figures["cpu_us"] = 1e6 * (cpu_after - cpu_before) / done
    return figures


def _exchange(conn: Connection, worker: int, reported: list[Any], claimed: list[Any]) -> list[tuple[Any, ...]]:
    rows = conn.execute(_EXCHANGE, (worker, *reported, *claimed), binary=True).fetchall()
    assert not any(row[4] for row in rows), rows
    return rows


def _two_calls(conn: Connection, worker: int, reported: list[Any], claimed: list[Any]) -> list[tuple[Any, ...]]:
    """Do it as a schema without exchange() does."""
    with conn.pipeline(), conn.transaction():
        if reported[0]:
            conn.execute(_COMPLETE, (worker, *reported), binary=True)
        rows = conn.execute(_CLAIM, (worker, *claimed, 0), binary=True)
    return rows.fetchall()


if __name__ == "__main__":
    report(measure)
