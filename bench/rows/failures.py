"""Batches of which each has one failing item, beside batches without any: the item moves to a batch of its own."""

from psycopg.types.json import Jsonb
from support import commands, database, measures
from support.row import Beside, Line, Row, Run, report

_ENQUEUE = """SELECT evtrack.enqueue('failing', array_agg('K:' || i ORDER BY i),
    array_agg(json_build_object('bad', %s AND i %% %s = 0)::text ORDER BY i), policy => %s, batch_size => %s)
    FROM generate_series(1, %s) i"""
_BATCHES = {5: 4000, 50: 1000}

ROW = Row(
    runs=tuple(
        Run(
            f"{size} {name}",
            {"size": size, "batches": batches, "bad": bad},
            {"batches": 40} if size == 5 and bad else None,  # noqa: PLR2004  one is enough
            seconds=6,
        )
        for size, batches in _BATCHES.items()
        for name, bad in (("none", False), ("one", True))
    ),
    lines=tuple(
        Line(
            f"Batches of {size} items, one of which fails",
            run=f"{size} one",
            figure="jobs_s",
            unit="batches/s",
            beside=(Beside("none fails", f"{size} none", target=0.5),),
        )
        for size in _BATCHES
    ),
)


def measure(server: str, *, size: int, batches: int, bad: bool) -> dict[str, float]:
    """Drain so many batches of such a size with one worker."""
    dsn = database.create(server, "bench_failures")
    with database.connect(dsn) as conn, measures.stamped() as stamps:
        conn.execute(_ENQUEUE, [bad, size, Jsonb({"max_errors": 1}), size, batches * size])
        conn.execute("SELECT evtrack.suspend(job_id) FROM evtrack.job")
        database.tidy(conn)
        with commands.running(commands.worker(dsn, "handlers.failing")) as process:
            commands.wait_until(lambda: bool(database.value(conn, "SELECT count(*) FROM evtrack.worker")), process)
            conn.execute("SELECT evtrack.resume(job_id) FROM evtrack.job")
            conn.execute("SELECT pg_notify('evtrack_work', 'failing')")
            took_s = measures.until_finished(conn, stamps, process)
        failed = database.value(conn, "SELECT sum(item_count) FILTER (WHERE status = 'failed') FROM evtrack.batch")
        done = database.value(conn, "SELECT done FROM evtrack.job_progress")
    assert (failed or 0, done) == ((batches, batches * (size - 1)) if bad else (0, batches * size)), (failed, done)
    commands.verify(dsn)
    return {"jobs_s": batches / took_s}


if __name__ == "__main__":
    report(measure)
