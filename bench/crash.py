"""What a crash costs: the time until it is in the log, and the time that a job with poison items takes.

A slot writes the time, then kills itself; the crash event's time is compared with that. Then 700 items in batches of 50
run with and without three that kill their process: by a handler of items, by one of whole batches, and by a program.

Usage: crash.py [SAMPLES]   (default 200)
"""

import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import latency
from support import harness

from evtrack.storage.connection.connect import Connection, connect

_ITEMS = harness.sized(700, smoke=100)
_POISON = frozenset({17} if harness.SMOKE else {17, 333, 334})
_HEALTHY_RUNS = harness.sized(3, smoke=1)
_POISONED_RUNS = harness.sized(5, smoke=1)
_PROGRAM = """
import json, os, signal, sys
for line in sys.stdin:
    if json.loads(line).get("die"):
        os.kill(os.getpid(), signal.SIGSEGV)
    print(1)
"""


def job_s(conn: Connection, handler: str, poison: frozenset[int]) -> float:
    """Return how many seconds a job takes from its commit to its end, by the database's clock."""
    items = [f'{{"die": {str(number in poison).lower()}}}' for number in range(1, _ITEMS + 1)]
    keys = [f"k{number}" for number in range(1, _ITEMS + 1)]
    row = conn.execute("SELECT evtrack.enqueue(%s, %s, %s, batch_size => 50)", [handler, keys, items]).fetchone()
    conn.execute("SELECT pg_notify('evtrack_work', %s)", [handler])
    assert row
    job = int(row[0])
    took_s = latency.wait_for(
        conn, "SELECT extract(epoch FROM finished_at - created_at)::float8 FROM evtrack.job WHERE job_id = %s", job
    )
    ended = conn.execute("SELECT done, crashed FROM evtrack.job_progress WHERE job_id = %s", [job]).fetchone()
    assert ended == (_ITEMS - len(poison), len(poison)), ended
    return took_s


def deaths(conn: Connection, samples: int) -> list[float]:
    """Return the milliseconds from a slot's death to the committed crash event."""
    taken = []
    with tempfile.TemporaryDirectory(prefix="evtrack-bench-") as directory:
        for number in range(samples):
            time.sleep(random.uniform(0.1, 0.2))
            file = Path(directory) / str(number)
            job, _ = latency.enqueue(conn, "die", str(file))
            # The wall clock, because it is compared with the event's time.
            crashed_at = latency.wait_for(
                conn,
                "SELECT extract(epoch FROM at)::float8 FROM evtrack.event WHERE job_id = %s AND type = 'crashed'",
                job,
            )
            taken.append(1000 * (crashed_at - float(file.read_text())))
    return taken


def main(arguments: list[str]) -> None:
    """Measure and print."""
    samples = int(arguments[0]) if arguments else harness.sized(200, smoke=2)
    with ExitStack() as stack:
        dsn = harness.database(stack.enter_context(harness.server()), "bench_crash")
        options = ["--dsn", dsn, "--import", "handlers.clock", "--import", "handlers.poison", "--slots", "2"]
        options += ["--exec", f"program={sys.executable} -I -S -c '{_PROGRAM}'"]
        stack.callback(harness.stop, harness.evtrack("work", *options, stderr=subprocess.DEVNULL))
        conn = stack.enter_context(connect(dsn, purpose="bench"))
        job_s(conn, "items", frozenset())  # warm-up
        for handler in ("items", "batches", "program"):
            healthy = min(job_s(conn, handler, frozenset()) for _ in range(_HEALTHY_RUNS))
            taken = [job_s(conn, handler, _POISON) for _ in range(_POISONED_RUNS)]
            name = f"{_ITEMS} items, {len(_POISON)} poison, handler of {handler}"
            harness.show(name, harness.percentile(taken, 0.5), "s", "without", healthy)
        found = deaths(conn, samples)
        for share in (0.5, 0.99):
            harness.show(f"slot death to crash event, p{share * 100:.0f}", harness.percentile(found, share), "ms")


if __name__ == "__main__":
    main(sys.argv[1:])
