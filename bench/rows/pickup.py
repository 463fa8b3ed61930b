"""How soon an idle worker calls the handler of a job that was just enqueued, beside peers."""

from support import measures, peer_runs
from support.evtrack_queue import EvtrackQueue
from support.row import Line, Row, Run, report

_SAMPLES = 120

ROW = Row(
    runs=(
        Run("evtrack", {"samples": _SAMPLES}, {"samples": 3}, seconds=11),
        *peer_runs.pick_ups(_SAMPLES),
    ),
    lines=tuple(
        Line(
            f"Pick-up by an idle worker, {name}",
            run="evtrack",
            figure=f"{name}_ms",
            unit="ms",
            target=target,
            at_most=True,
            beside=peer_runs.beside(at_most=True),
            readme=peer_runs.ALWAYS if name == "p50" else None,
        )
        for name, target in (("p50", 1.2), ("p99", 3.0))
    ),
)


def measure(server: str, *, samples: int) -> dict[str, float]:
    """Enqueue so many jobs, one at a time."""
    return measures.pick_up(EvtrackQueue(server), samples=samples)


if __name__ == "__main__":
    report(measure)
