"""Fleets of idle workers: what they cost the server, and how soon the batch of a killed worker runs on another host."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from support import commands, database, measures
from support.cpu import postmaster_of, tree_cpu_s
from support.row import Line, Row, Run, report

_GRACE_S = 5.0
"""How long a worker's session may be gone before the worker is lost: the default of --lose-grace."""

_ENQUEUE = "SELECT evtrack.enqueue('holding', '{k}', '{\"{}\"}')"
_HOLDER = "SELECT w.pid FROM evtrack.batch b JOIN evtrack.worker w USING (worker_id) WHERE b.status = 'running'"

ROW = Row(
    runs=(
        Run("2", {"workers": 2, "idle_s": 1}, None, seconds=13, slow=True),
        Run("200", {"workers": 200, "idle_s": 15}, {"workers": 3, "idle_s": 0.5}, seconds=75, slow=True),
    ),
    lines=(
        Line(
            "200 idle workers, the server's CPU",
            run="200",
            figure="idle_percent",
            unit="% of a core",
            target=3,
            at_most=True,
        ),
        *(
            Line(
                f"Worker killed, its batch runs on another host, {workers} workers, 5 s of grace",
                run=workers,
                figure="rerun_s",
                unit="s",
                target=_GRACE_S + 0.9,
                at_most=True,
            )
            for workers in ("2", "200")
        ),
    ),
)


def measure(server: str, *, workers: int, idle_s: float) -> dict[str, float]:
    """Start so many workers, watch the idle server for so long, then kill the worker that holds a batch."""
    dsn = database.create(server, "bench_fleet")
    program = [sys.executable, "-P", str(commands.BENCH / "support/worker_fleet.py")]
    with (
        database.connect(dsn) as conn,
        measures.stamped() as stamps,
        tempfile.TemporaryDirectory(prefix="evtrack-bench-") as states,
    ):
        command = [*program, dsn, str(workers), "handlers.holding", states]
        with running(command) as fleet:
            registered = "SELECT count(*) FROM evtrack.worker"
            commands.wait_until(lambda: database.value(conn, registered) == workers, fleet, every_s=0.2)
            time.sleep(3 if idle_s >= 1 else 0)  # until the last one has started its slot
            figures = {"idle_percent": idle_percent(conn, idle_s)}
            conn.execute(_ENQUEUE)
            conn.execute("SELECT pg_notify('evtrack_work', 'holding')")
            commands.wait_until(lambda: stamps.of(0) is not None, fleet)
            killed = time.monotonic_ns()
            kill(database.value(conn, _HOLDER))
            commands.wait_until(lambda: stamps.of(1) is not None, fleet)
            figures["rerun_s"] = ((stamps.of(1) or 0) - killed) / 1e9
            done = "SELECT done = 1 FROM evtrack.job_progress"
            commands.wait_until(lambda: bool(database.value(conn, done)), fleet)
    commands.verify(dsn)
    return figures


@contextmanager
def running(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the process that forks the workers, and leave none of them behind."""
    fleet = subprocess.Popen(command, env=commands.environment())  # noqa: S603  # our own program
    try:
        yield fleet
    finally:
        below = psutil.Process(fleet.pid).children(recursive=True)
        commands.stop(fleet)
        for each in below:
            with suppress(psutil.NoSuchProcess):
                each.kill()


def idle_percent(conn: database.Connection, seconds: float) -> float:
    """Return the CPU time of all processes of the server meanwhile, in percent of a core."""
    postmaster = postmaster_of(conn)
    begun, used = time.monotonic(), tree_cpu_s(postmaster)
    time.sleep(seconds)
    return 100 * (tree_cpu_s(postmaster) - used) / (time.monotonic() - begun)


def kill(worker: int) -> None:
    """Kill a worker with all of its processes, as the end of its host does."""
    process = psutil.Process(worker)
    for each in (process, *process.children(recursive=True)):
        each.kill()


if __name__ == "__main__":
    report(measure)
