"""Start latency of an idle worker: from the commit of an enqueue to the first line of the handler in its slot.

The handler returns the monotonic clock, which all processes of a machine share. Also slot death: from a slot's
last act, which tells the clock and kills its process, to the committed crash event.

Usage: latency.py [SAMPLES]   (default 200)
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import lab

from evtrack.storage.connection.connect import Connection, connect

HERE = Path(__file__).parent
_PATIENCE_S = 60


def _enqueue(conn: Connection, handler: str) -> tuple[int, float]:
    # No second attempt: it would tell another time.
    policy = '{"max_crashes": 1}'
    row = conn.execute("SELECT evtrack.enqueue(%s, '{k}', '{1}', policy => %s)", [handler, policy]).fetchone()
    committed = time.monotonic()
    conn.execute("SELECT pg_notify('evtrack_work', %s)", [handler])
    assert row
    return int(row[0]), committed


def _until(conn: Connection, statement: str, job: int) -> object:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        row = conn.execute(statement.encode(), [job]).fetchone()
        if row and row[0] is not None:
            return row[0]
        time.sleep(0.002)
    raise TimeoutError(f"nothing within {_PATIENCE_S} s")


def starts(conn: Connection, samples: int) -> list[float]:
    """Return the start latencies, in milliseconds."""
    taken = []
    for _ in range(samples):
        time.sleep(random.uniform(0.02, 0.06))
        job, committed = _enqueue(conn, "clock")
        began = _until(conn, "SELECT lines::float8 FROM evtrack.result WHERE job_id = %s", job)
        taken.append(1000 * (float(str(began)) - committed))
    return taken


def deaths(conn: Connection, samples: int) -> list[float]:
    """Return the milliseconds from a slot's death to the committed crash event."""
    taken = []
    for _ in range(samples):
        time.sleep(random.uniform(0.1, 0.2))
        job, _ = _enqueue(conn, "die")
        # Written last by the slot; wall clock, since it is compared with the event's time.
        at = _until(
            conn, "SELECT extract(epoch FROM at)::float8 FROM evtrack.event WHERE job_id = %s AND type = 'crashed'", job
        )
        died = float(Path("/tmp/evtrack-bench-death").read_text())  # noqa: S108  # a benchmark's own file
        taken.append(1000 * (float(str(at)) - died))
    return taken


def main(arguments: list[str]) -> None:
    """Measure and print."""
    samples = int(arguments[0]) if arguments else 200
    with lab.server() as server:
        dsn = lab.database(server, "bench_latency")
        process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "evtrack", "work", "--dsn", dsn, "--import", "clocks", "--slots", "2"],
            cwd=HERE,
            env={k: v for k, v in os.environ.items() if not k.startswith("EVTRACK_")},
            stderr=subprocess.DEVNULL,
        )
        try:
            with connect(dsn, purpose="bench") as conn:
                _until(conn, "SELECT max(worker_id) FROM evtrack.worker WHERE %s > 0", 1)
                starts(conn, 20)
                taken = starts(conn, samples)
                for share in (0.5, 0.99):
                    lab.show(f"start latency, idle worker, p{share * 100:.0f}", lab.percentile(taken, share), "ms")
                taken = deaths(conn, max(10, samples // 10))
                for share in (0.5, 0.99):
                    lab.show(f"slot death to crash event, p{share * 100:.0f}", lab.percentile(taken, share), "ms")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


if __name__ == "__main__":
    main(sys.argv[1:])
