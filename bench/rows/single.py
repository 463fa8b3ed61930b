"""Jobs enqueued one at a time from one connection, each with its commit and its wake-up, beside peers."""

from support import measures, peer_runs
from support.evtrack_queue import EvtrackQueue
from support.row import Line, Row, Run, report

ROW = Row(
    runs=(
        Run("evtrack", {"seconds": 3}, {"seconds": 0.2}, seconds=6),
        *peer_runs.enqueues(),
    ),
    lines=(
        Line(
            "Single enqueue, with the wake-up",
            run="evtrack",
            figure="jobs_s",
            unit="jobs/s",
            beside=peer_runs.beside(targets={"pgqueuer": 1.0}),
        ),
    ),
)


def measure(server: str, *, seconds: float) -> dict[str, float]:
    """Enqueue for so long."""
    return measures.enqueue(EvtrackQueue(server), seconds=seconds)


if __name__ == "__main__":
    report(measure)
