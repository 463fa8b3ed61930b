"""What a crash costs: the time until it is on record, and the time that a job with poison takes.

A slot tells the clock in its last act; the crash event's time is compared with it. Then 700 items in batches of 50 run
with and without three that take their process down, by a handler of items, by one of whole batches, and by a program.

Usage: crash.py [SAMPLES]   (default 200)
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lab
from latency import deaths

from evtrack.storage.connection.connect import Connection, connect

HERE = Path(__file__).parent
_ITEMS = 700
_POISON = frozenset({17, 333, 334})
_PATIENCE_S = 120
_PROGRAM = """
import json, os, signal, sys
for line in sys.stdin:
    if json.loads(line).get("die"):
        os.kill(os.getpid(), signal.SIGSEGV)
    print(1)
"""


def seconds(conn: Connection, handler: str, poison: frozenset[int]) -> float:
    """Return how long a job takes from its commit to its end, by the database's clock."""
    items = [f'{{"die": {str(number in poison).lower()}}}' for number in range(1, _ITEMS + 1)]
    keys = [f"k{number}" for number in range(1, _ITEMS + 1)]
    row = conn.execute("SELECT evtrack.enqueue(%s, %s, %s, batch_size => 50)", [handler, keys, items]).fetchone()
    conn.execute("SELECT pg_notify('evtrack_work', %s)", [handler])
    assert row
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        found = conn.execute(
            "SELECT extract(epoch FROM finished_at - created_at)::float8 FROM evtrack.job WHERE job_id = %s", row
        ).fetchone()
        if found and found[0] is not None:
            wrong = conn.execute(
                "SELECT count(*) FROM evtrack.item_status WHERE job_id = %s AND status = 'crashed'", row
            ).fetchone()
            assert wrong == (len(poison),), wrong
            return float(found[0])
        time.sleep(0.01)
    raise TimeoutError(f"the job of {handler} did not end within {_PATIENCE_S} s")


def main(arguments: list[str]) -> None:
    """Measure and print."""
    samples = int(arguments[0]) if arguments else 200
    with lab.server() as server:
        dsn = lab.database(server, "bench_crash")
        words = ["work", "--dsn", dsn, "--import", "clocks", "--import", "poison", "--slots", "2"]
        words += ["--exec", f"program={sys.executable} -I -S -c '{_PROGRAM}'"]
        process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "evtrack", *words],
            cwd=HERE,
            env={k: v for k, v in os.environ.items() if not k.startswith("EVTRACK_")},
            stderr=subprocess.DEVNULL,
        )
        try:
            with connect(dsn, purpose="bench") as conn:
                seconds(conn, "items", frozenset())
                for handler in ("items", "batches", "program"):
                    healthy = min(seconds(conn, handler, frozenset()) for _ in range(3))
                    taken = sorted(seconds(conn, handler, _POISON) for _ in range(5))
                    lab.show(f"{_ITEMS} items, 3 poison, handler of {handler}", taken[2], "s", "without", healthy)
                found = deaths(conn, samples)
                for share in (0.5, 0.99):
                    lab.show(f"slot death to crash event, p{share * 100:.0f}", lab.percentile(found, share), "ms")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


if __name__ == "__main__":
    main(sys.argv[1:])
