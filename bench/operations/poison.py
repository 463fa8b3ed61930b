"""What poison items cost: the time of a job of 700 items with and without three that kill their process.

They run in batches of 50: by a handler of items, by one of whole batches, and by a program.

Usage: poison.py
"""

import sys

from support import commands, database, harness, measures

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
_TOOK = "SELECT extract(epoch FROM finished_at - created_at)::float8 FROM evtrack.job WHERE job_id = %s"


def job_s(conn: database.Connection, handler: str, poison: frozenset[int]) -> float:
    """Return how many seconds a job takes from its commit to its end, by the database's clock."""
    items = [f'{{"die": {str(number in poison).lower()}}}' for number in range(1, _ITEMS + 1)]
    keys = [f"k{number}" for number in range(1, _ITEMS + 1)]
    job = database.value(conn, "SELECT evtrack.enqueue(%s, %s, %s, batch_size => 50)", [handler, keys, items])
    conn.execute("SELECT pg_notify('evtrack_work', %s)", [handler])
    commands.wait_until(lambda: database.value(conn, _TOOK, [job]) is not None)
    ended = conn.execute("SELECT done, crashed FROM evtrack.job_progress WHERE job_id = %s", [job]).fetchone()
    assert ended == (_ITEMS - len(poison), len(poison)), ended
    return float(database.value(conn, _TOOK, [job]))


def main() -> None:
    """Measure and print."""
    with harness.server() as server:
        dsn = database.create(server, "bench_poison")
        program = f"program={sys.executable} -I -S -c '{_PROGRAM}'"
        worker = commands.worker(dsn, "handlers.poison", "--exec", program, slots=2)
        with commands.running(worker), database.connect(dsn) as conn:
            job_s(conn, "items", frozenset())  # warm-up
            for handler in ("items", "batches", "program"):
                healthy = min(job_s(conn, handler, frozenset()) for _ in range(_HEALTHY_RUNS))
                taken = [job_s(conn, handler, _POISON) for _ in range(_POISONED_RUNS)]
                name = f"{_ITEMS} items, {len(_POISON)} poison, handler of {handler}"
                harness.show(name, measures.percentile(taken, 0.5), "s", "without", healthy)


if __name__ == "__main__":
    main()
