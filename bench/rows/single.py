"""Jobs enqueued one at a time from one connection, each with its commit and its wake-up, beside peers."""

from support import measures, peer_runs
from support.evtrack_queue import EvtrackQueue
from support.row import Line, Row, Run, report

ROW = Row(
    runs=(
        Run("SQL", {"seconds": 3}, {"seconds": 0.2}, seconds=6, group="evtrack"),
        Run("SQL, one statement", {"seconds": 3, "together": True}, {"seconds": 0.2}, seconds=6),
        Run("Python", {"seconds": 3, "python": True}, {"seconds": 0.2}, seconds=6, group="evtrack"),
        *peer_runs.enqueues(),
    ),
    lines=(
        Line(
            "Single enqueue, the wake-up after the commit",
            run="evtrack",
            figure="jobs_s",
            unit="jobs/s",
            beside=peer_runs.beside(targets={"pgqueuer": 1.0}),
        ),
        Line(
            "Single enqueue, the wake-up in the same statement",
            run="SQL, one statement",
            figure="jobs_s",
            unit="jobs/s",
            beside=peer_runs.beside(),
        ),
    ),
)


def measure(server: str, *, seconds: float, python: bool = False, together: bool = False) -> dict[str, float]:
    """Enqueue for so long, by the Python API or with SQL, where the wake-up may be part of the same statement."""
    return measures.enqueue(EvtrackQueue(server, python=python, together=together), seconds=seconds)


if __name__ == "__main__":
    report(measure)
