"""Many jobs of one item enqueued from one connection, evtrack and each peer in its fastest way."""

import time

from support import database, measures, peer_runs
from support.evtrack_queue import EvtrackQueue
from support.row import Line, Row, Run, report

import evtrack

_SUBMITTED = 50_000

ROW = Row(
    runs=(
        Run("1,000 a call", {"seconds": 3, "size": 1000}, {"seconds": 0.2}, seconds=7, group="evtrack"),
        Run("10,000 a call", {"seconds": 3, "size": 10_000}, None, seconds=7, group="evtrack"),
        Run("submit", {"seconds": 3, "size": 0}, {"seconds": 0.01}, seconds=7, group="evtrack"),
        *peer_runs.enqueues(1000),
        *peer_runs.enqueues(10_000),
    ),
    lines=(
        Line(
            "Bulk enqueue, 1 item a batch, each in its fastest way",
            run="evtrack",
            figure="jobs_s",
            unit="jobs/s",
            beside=peer_runs.beside(targets={"pgqueuer": 1.2, "awa": 1.2}),
            readme=peer_runs.ALWAYS,
        ),
    ),
)


def measure(server: str, *, seconds: float, size: int) -> dict[str, float]:
    """Enqueue for so long: so many in a call of the SQL function, or by the Python API if the size is 0."""
    queue = EvtrackQueue(server)
    return measures.enqueue(queue, seconds=seconds, size=size) if size else _submit(queue, seconds)


def _submit(queue: EvtrackQueue, seconds: float) -> dict[str, float]:
    jobs, begun = 0, time.monotonic()
    while time.monotonic() - begun < seconds:
        items = ({"id": number} for number in range(_SUBMITTED))
        evtrack.submit(items, handler="stamped", key="id", batch_size=1, connection=queue.dsn)
        jobs += _SUBMITTED
    took_s = time.monotonic() - begun
    with database.connect(queue.dsn) as conn:
        found = queue.queued(conn)
    assert found == jobs, (found, jobs)
    return {"jobs_s": jobs / took_s}


if __name__ == "__main__":
    report(measure)
