"""`evtrack verify` of a long log, compared with a log of a tenth: the time it takes, and that its memory does not grow.

Both logs have ten jobs, because jobs grow with the log, and are written through the fold; each batch has three events.
CPU and memory are those of the command, not of the server.

Usage: verify.py [EVENTS]   (default 300,000)
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from operations.finished_jobs import create_finished_jobs
from support import database, harness

from evtrack.storage.connection.connect import connect

_JOBS = 10
_EVENTS_PER_BATCH = 3
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    """What one run took: events, seconds of wall time and of CPU, peak memory."""

    events: int
    wall_s: float
    cpu_s: float
    peak_mb: float


def verify(dsn: str) -> Run:
    """Run the command on a log without differences, in a process of its own."""
    with connect(dsn, purpose="bench") as conn:
        database.tidy(conn)
        found = conn.execute("SELECT count(*) FROM evtrack.event").fetchone()
    assert found
    begun = time.monotonic()
    process = subprocess.Popen(  # noqa: S603  # evtrack itself
        [sys.executable, "-m", "evtrack", "--log-level", "warning", "verify", "--dsn", dsn], stdout=subprocess.PIPE
    )
    assert process.stdout
    output = process.stdout.read().decode()
    # Not process.wait(): only wait4 returns the resources of this process alone.
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or "agree" not in output:
        raise RuntimeError(f"evtrack verify ended with {process.returncode}: {output}")
    return Run(
        found[0], time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * _RSS_UNIT / (1 << 20)
    )


def main(arguments: list[str]) -> None:
    """Measure a tenth, then the whole."""
    events = int(arguments[0]) if arguments else harness.sized(300_000, smoke=3000)
    with harness.server() as server:
        runs = []
        for name, size in (("bench_verify_tenth", events // 10), ("bench_verify", events)):
            dsn = database.create(server, name)
            with connect(dsn, purpose="bench") as conn:
                create_finished_jobs(conn, jobs=_JOBS, batches=size // _EVENTS_PER_BATCH // _JOBS, days_ago=1)
            runs.append(verify(dsn))
    tenth, whole = runs
    assert tenth.events >= events // 10, tenth
    assert whole.events >= events, whole
    harness.show("events", whole.events, "", "a tenth", tenth.events)
    harness.show("wall time", whole.wall_s, "s", "a tenth", tenth.wall_s)
    harness.show("CPU time of the command", whole.cpu_s, "s", "a tenth", tenth.cpu_s)
    harness.show("peak memory of the command", whole.peak_mb, "MB", "a tenth", tenth.peak_mb)
    harness.show("events per second", whole.events / whole.wall_s, "/s", "a tenth", tenth.events / tenth.wall_s)


if __name__ == "__main__":
    main(sys.argv[1:])
