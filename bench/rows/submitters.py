"""Many submitters at once, each of which commits a job after the other: with wake-ups for workers, and without."""

import threading

from support import database, harness
from support.row import Beside, Line, Row, Run, report

_ENQUEUE = "SELECT evtrack.enqueue('noop', '{K:1}', '{\"{}\"}');"
_EVERY_S = 0.01

ROW = Row(
    runs=tuple(
        Run(
            f"{clients} {name}",
            {"clients": clients, "wake": wake},
            {} if clients == 8 and wake else None,  # noqa: PLR2004  one is enough
            seconds=5,
        )
        for clients in (8, 16)
        for name, wake in (("without", False), ("with", True))
    ),
    lines=tuple(
        Line(
            f"{clients} submitters with wake-ups",
            run=f"{clients} with",
            figure="jobs_s",
            unit="jobs/s",
            beside=(Beside("without", f"{clients} without", target=0.95),),
        )
        for clients in (8, 16)
    ),
)


def measure(server: str, *, clients: int, wake: bool) -> dict[str, float]:
    """Submit for three seconds."""
    dsn = database.create(server, "bench_submitters")
    rate = _with_wake_ups(dsn, clients) if wake else harness.pgbench(dsn, _ENQUEUE, clients=clients, seconds=3)
    with database.connect(dsn) as conn:
        jobs = database.value(conn, "SELECT count(*) FROM evtrack.job")
        found = conn.execute("SELECT sum(batches), sum(pending) FROM evtrack.job_progress").fetchone()
        events = database.value(conn, "SELECT count(*) FROM evtrack.event")
    # Created, extended, sealed, enqueued. Verifying thousands of jobs would take longer than submitting them.
    assert found == (jobs, jobs), (jobs, found)
    assert events == 4 * jobs > 0, (jobs, events)
    return {"jobs_s": rate}


def _with_wake_ups(dsn: str, clients: int) -> float:
    # A client sends a wake-up in a statement of its own, at most one per handler every 10 ms.
    stop = threading.Event()

    def notify() -> None:
        with database.connect(dsn) as conn:
            while not stop.wait(_EVERY_S):
                for _ in range(clients):
                    conn.execute("SELECT pg_notify('evtrack_work', 'noop')")

    thread = threading.Thread(target=notify)
    thread.start()
    try:
        return harness.pgbench(dsn, _ENQUEUE, clients=clients, seconds=3)
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    report(measure)
