"""Jobs of one item drained by real workers with one isolated slot, beside peers and a bare queue table."""

from support import measures, peer_runs
from support.evtrack_queue import EvtrackQueue
from support.row import Beside, Line, Row, Run, report

_JOBS = 60_000
_BARE = "bare table, 100 a claim"
_SMOKE = {"jobs": 300}
_TARGETS = {1: (2.0, 0.30), 2: (2.0, 0.45)}


def _runs(workers: int) -> tuple[Run, ...]:
    run = Run(f"{workers}", {"jobs": _JOBS, "workers": workers}, _SMOKE if workers > 1 else None, seconds=14)
    return (run, *peer_runs.drains(workers))


def _line(workers: int) -> Line:
    peers, raw = _TARGETS[workers]
    return Line(
        f"Drain, {workers} worker{'s'[: workers - 1]}",
        run=f"{workers}",
        figure="jobs_s",
        unit="jobs/s",
        beside=(
            *peer_runs.beside(f"{workers} ", {"pgqueuer": peers}),
            Beside(_BARE, f"raw/{workers}", target=raw),
        ),
        readme=("pgqueuer", "awa", _BARE) if workers > 1 else None,
    )


ROW = Row(
    runs=(
        *_runs(1),
        *_runs(2),
        Run("held", {"jobs": _JOBS, "workers": 1, "snapshot": True}, _SMOKE, seconds=14),
    ),
    lines=(
        _line(1),
        _line(2),
        Line(
            "Drain, 1 worker, while a snapshot is held",
            run="held",
            figure="jobs_s",
            unit="jobs/s",
            beside=(Beside("without", "1", target=0.9),),
        ),
        Line(
            "Bytes of tables and indexes left by a job of one item",
            run="1",
            figure="left_bytes",
            unit="bytes",
            target=900,
            at_most=True,
            beside=peer_runs.beside("1 ", at_most=True),
        ),
        Line(
            "WAL of a job of one item, drained",
            run="1",
            figure="wal_bytes",
            unit="bytes",
            beside=peer_runs.beside("1 ", at_most=True),
        ),
    ),
)


def measure(server: str, *, jobs: int, workers: int, snapshot: bool = False) -> dict[str, float]:
    """Drain so many jobs."""
    return measures.drain(EvtrackQueue(server), jobs=jobs, workers=workers, snapshot=snapshot)


if __name__ == "__main__":
    report(measure)
