"""`evtrack verify` over a long log, beside one of a tenth: how long it takes, and that its memory does not grow.

Both logs are of ten jobs, so that the jobs grow with the log, and are written through the fold; each batch has three
events. CPU and memory are those of the command, not of the server.

Usage: verify.py [EVENTS]   (default 300,000)
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import lab
from old_days import old_day

from evtrack.storage.connection.connect import connect

_JOBS = 10
_EVENTS_A_BATCH = 3
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    """What one run took: seconds by the clock, seconds of CPU, and the most memory."""

    events: int
    wall_s: float
    cpu_s: float
    peak_mb: float


def verify(dsn: str) -> Run:
    """Run the command as a process of its own, over a log that is whole."""
    with connect(dsn, purpose="bench") as conn:
        lab.settle(conn)
        counted = conn.execute("SELECT count(*) FROM evtrack.event").fetchone()
    assert counted
    begun = time.monotonic()
    process = subprocess.Popen(  # noqa: S603  # evtrack itself
        [sys.executable, "-m", "evtrack", "--log-level", "warning", "verify", "--dsn", dsn], stdout=subprocess.PIPE
    )
    assert process.stdout
    said = process.stdout.read().decode()
    # Not process.wait(): only this tells of this process alone what it used.
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or "agree" not in said:
        raise RuntimeError(f"evtrack verify ended with {process.returncode}: {said}")
    return Run(
        counted[0], time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * _RSS_UNIT / (1 << 20)
    )


def main() -> None:
    """Measure a tenth, then the whole."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    with lab.server() as dsn:
        runs = []
        for name, size in (("bench_verify_tenth", events // 10), ("bench_verify", events)):
            fresh = lab.database(dsn, name)
            with connect(fresh, purpose="bench") as conn:
                old_day(conn, _JOBS, size // _EVENTS_A_BATCH // _JOBS, 1)
            runs.append(verify(fresh))
    tenth, whole = runs
    lab.show("events", whole.events, "", "a tenth", tenth.events)
    lab.show("wall time", whole.wall_s, "s", "a tenth", tenth.wall_s)
    lab.show("CPU time of the command", whole.cpu_s, "s", "a tenth", tenth.cpu_s)
    lab.show("peak memory of the command", whole.peak_mb, "MB", "a tenth", tenth.peak_mb)
    lab.show("events a second", whole.events / whole.wall_s, "/s", "a tenth", tenth.events / tenth.wall_s)


if __name__ == "__main__":
    main()
