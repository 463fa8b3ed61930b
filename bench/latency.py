"""Start latency of an idle worker: from the commit of an enqueue to the first line of the handler in its slot.

The handler returns the monotonic clock, which all processes of a machine share.

Usage: latency.py [SAMPLES]   (default 200)
"""

import json
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

from support import harness

from evtrack.storage.connection.connect import Connection, connect

_PATIENCE_S = 60
_POLL_S = 0.002
_WARM_UP = harness.sized(20, smoke=1)


def enqueue(conn: Connection, handler: str, item: Any) -> tuple[int, float]:
    """Enqueue one item, and return its job and the monotonic clock after the commit."""
    # One attempt only: a second one would report another time.
    row = conn.execute(
        "SELECT evtrack.enqueue(%s, '{k}', %s, policy => '{\"max_crashes\": 1}')", [handler, [json.dumps(item)]]
    ).fetchone()
    committed = time.monotonic()
    conn.execute("SELECT pg_notify('evtrack_work', %s)", [handler])
    assert row
    return int(row[0]), committed


def wait_for(conn: Connection, query: str, job: int) -> float:
    """Poll until a query about a job finds a number, and return it."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        row = conn.execute(query.encode(), [job]).fetchone()
        if row and row[0] is not None:
            return float(row[0])
        time.sleep(_POLL_S)
    raise TimeoutError(f"nothing within {_PATIENCE_S} s")


def start_worker(dsn: str) -> "subprocess.Popen[bytes]":
    """Start a worker with two slots and the handlers that report the time."""
    options = ["--dsn", dsn, "--import", "handlers.clock", "--slots", "2"]
    return harness.evtrack("work", *options, stderr=subprocess.DEVNULL)


def starts(conn: Connection, samples: int) -> list[float]:
    """Return the start latencies, in milliseconds."""
    taken = []
    for _ in range(samples):
        time.sleep(random.uniform(0.02, 0.06))
        job, committed = enqueue(conn, "clock", 1)
        began = wait_for(conn, "SELECT lines::float8 FROM evtrack.result WHERE job_id = %s", job)
        taken.append(1000 * (began - committed))
    return taken


def main(arguments: list[str]) -> None:
    """Measure and print."""
    samples = int(arguments[0]) if arguments else harness.sized(200, smoke=2)
    with ExitStack() as stack:
        dsn = harness.database(stack.enter_context(harness.server()), "bench_latency")
        stack.callback(harness.stop, start_worker(dsn))
        conn = stack.enter_context(connect(dsn, purpose="bench"))
        starts(conn, _WARM_UP)
        taken = starts(conn, samples)
        for share in (0.5, 0.99):
            harness.show(f"start latency, idle worker, p{share * 100:.0f}", harness.percentile(taken, share), "ms")


if __name__ == "__main__":
    main(sys.argv[1:])
