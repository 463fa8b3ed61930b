"""Large tables: draining and reading progress beside two million events, beside the same in new tables."""

import threading
from statistics import median

from rows import functions
from support import commands, database, harness
from support.evtrack_queue import FILL
from support.row import Beside, Line, Row, Run, report

from evtrack.storage.connection.connect import Connection, connect

_GROUP = 500
_CONNECTIONS = 2
_READS = 200
_PROGRESS = "SELECT * FROM evtrack.job_progress WHERE job_id = %s"

ROW = Row(
    runs=(
        Run(
            "evtrack",
            {"batches": 1_000_000, "drained": 40_000, "pairs": 3},
            {"batches": 2000, "drained": 500, "pairs": 1},
            seconds=65,
            slow=True,
        ),
    ),
    lines=(
        Line(
            "SQL functions alone, with 2,000,000 events in the log",
            run="evtrack",
            figure="full_jobs_s",
            unit="batches/s",
            beside=(Beside("new tables", "evtrack", figure="new_jobs_s", target=0.95),),
        ),
        Line(
            "Progress of a job of 1,000,000 batches",
            run="evtrack",
            figure="large_ms",
            unit="ms",
            beside=(Beside("a job of 10", "evtrack", figure="small_ms", target=1.2, at_most=True),),
            at_most=True,
        ),
    ),
)


def measure(server: str, *, batches: int, drained: int, pairs: int) -> dict[str, float]:
    """Drain half of a job of so many batches, then pairs of smaller ones there and in new tables."""
    dsn, new_dsn = database.create(server, "bench_large"), database.create(server, "bench_new")
    with connect(dsn, purpose="bench") as conn, connect(new_dsn, purpose="bench") as new:
        small, large = (database.value(conn, FILL, [size]) for size in (10, batches))
        work_off(dsn, large, batches // 2)
        figures = _progress(conn, small, large)
        database.tidy(conn)
        rates: dict[str, list[float]] = {"full_jobs_s": [], "new_jobs_s": []}
        for _ in range(pairs):
            for name, each in (("full_jobs_s", conn), ("new_jobs_s", new)):
                job = database.value(each, FILL, [drained])
                each.execute("VACUUM ANALYZE evtrack.batch")
                each.execute("CHECKPOINT")
                rates[name].append(functions.work(each, job, group=_GROUP)["jobs_s"])
        counted = database.value(conn, "SELECT count(*) FROM evtrack.event WHERE batch_no > 0")
        assert counted == 2 * batches + 3 * pairs * drained + 10, counted
        done = database.value(conn, "SELECT sum(batches_completed) FROM evtrack.job_progress")
        assert done == batches // 2 + pairs * drained, done
    commands.verify(new_dsn)  # that of the large one would take minutes
    return figures | {name: median(each) for name, each in rates.items()}


def work_off(dsn: str, job: int, batches: int) -> None:
    """Claim and complete so many batches of a job over several connections."""

    def work() -> None:
        with connect(dsn, purpose="bench") as conn:
            functions.work(conn, job, group=_GROUP, most=batches // _CONNECTIONS)

    threads = [threading.Thread(target=work) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _progress(conn: Connection, small: int, large: int) -> dict[str, float]:
    taken: dict[int, list[float]] = {small: [], large: []}
    for _ in range(_READS):
        for job, times in taken.items():
            times.append(1000 * harness.timed(lambda job=job: conn.execute(_PROGRESS, (job,)).fetchall()))
    return {"small_ms": median(taken[small]), "large_ms": median(taken[large])}


if __name__ == "__main__":
    report(measure)
