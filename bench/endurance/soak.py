"""Steady work while a slot is killed every second: what grows in ten minutes.

A worker with four slots works on jobs that are submitted one after another, a watcher and a reader of all events run
beside it, and every second a slot is killed with SIGKILL. At the start, after each tenth of the time and at the end it
prints resident memory and open descriptors of the supervisor, the fork server, the watcher and the reader, the
processes below the worker, the database's connections, and the size of tables that hold current state.

Usage: soak.py [MINUTES] [--evtrack PROGRAM]   (default 10)
"""

import random
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import psutil
from support import commands, harness

sys.path.insert(0, str(commands.BENCH.parent / "tests/support"))
sys.path.insert(0, str(commands.BENCH.parent / "tests/support/faults"))

from scene import scene  # type: ignore[import-not-found]

_TENTHS = 10
_KEEP_PENDING = 2000
_ITEMS = 4000
_TABLES = ("worker", "progress", "item_mark", "alert", "upkeep")


def slots_of(worker: psutil.Process) -> list[psutil.Process]:
    """Return the slots of a worker: the children of its fork server."""
    with suppress(psutil.NoSuchProcess):
        return [slot for server in worker.children() for slot in server.children()]
    return []


def figures(made: Any, processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Return what might grow."""
    found: dict[str, float] = {}
    for name, process in processes.items():
        with suppress(psutil.NoSuchProcess):
            found[f"{name}, MiB"] = process.memory_info().rss / 2**20
            found[f"{name}, descriptors"] = process.num_fds()
            found[f"{name}, threads"] = process.num_threads()
    found["processes below the worker"] = len(processes["supervisor"].children(recursive=True))
    with made.admin() as conn:
        found["connections"] = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'evtrack%'"
        ).fetchone()[0]
        for table in _TABLES:
            found[f"table {table}, KiB"] = conn.execute(
                "SELECT pg_total_relation_size(%s::regclass) / 1024.0", [f"evtrack.{table}"]
            ).fetchone()[0]
        found["events, thousands"] = conn.execute("SELECT count(*) / 1000.0 FROM evtrack.event").fetchone()[0]
        found["events, bytes each"] = conn.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) / (SELECT greatest(count(*), 1) FROM evtrack.event)"
            " FROM pg_inherits WHERE inhparent = 'evtrack.event'::regclass"
        ).fetchone()[0]
    return {name: float(value) for name, value in found.items()}


class Killer(threading.Thread):
    """Kills a slot every second, whatever else takes how long.

    Args:
        worker: The worker whose slots they are.
    """

    def __init__(self, worker: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._worker = worker
        self.killed = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Kill until `ended` is set."""
        while not self.ended.wait(1.0):
            with suppress(psutil.NoSuchProcess, IndexError):
                random.choice(slots_of(self._worker)).send_signal(signal.SIGKILL)
                self.killed += 1


def main(arguments: list[str]) -> None:
    """Run it, and print a table with a row for each figure."""
    evtrack = [sys.executable, "-m", "evtrack"]
    if "--evtrack" in arguments:
        place = arguments.index("--evtrack")
        evtrack = [arguments[place + 1]]
        del arguments[place : place + 2]
    minutes = float(arguments[0]) if arguments else harness.sized(10.0, smoke=0.1)
    with scene(evtrack=evtrack) as made:
        load = made.load
        worker = psutil.Process(load.work(made.dsn, "--name", "soak", slots=4).pid)
        load.watch(made.dsn)
        load.follow(made.dsn)
        load.submit(made.cluster.dsn(dbname="evtrack", user="app"), _ITEMS)
        load.running(1)
        warm_s = min(20.0, minutes * 6)
        processes = {
            "supervisor": worker,
            "fork server": worker.children()[0],
            "watcher": psutil.Process(load.watchers[0].pid),
            "reader": psutil.Process(load.followers[0].pid),
        }
        taken: list[dict[str, float]] = []
        killer = Killer(worker)
        killer.start()
        begun = time.monotonic() + warm_s
        while time.monotonic() < begun + minutes * 60:
            pending = load.one("SELECT sum(pending_items)::bigint FROM evtrack.progress") or 0
            if pending < _KEEP_PENDING:
                load.submit(made.cluster.dsn(dbname="evtrack", user="app"), _ITEMS)
            if time.monotonic() - begun >= len(taken) * minutes * 60 / _TENTHS:
                taken.append(figures(made, processes))
            time.sleep(0.2)
        killer.ended.set()
        killer.join(10)
        taken.append(figures(made, processes))
        ended = [one.poll() for one in (*load.workers, *load.watchers, *load.followers)]
        done = load.one("SELECT sum(completed_items)::bigint FROM evtrack.progress")
        wrong = load.one(
            "SELECT count(*) FROM evtrack.worker WHERE lost_at IS NOT NULL OR (stopped_at IS NULL AND name <> 'soak')"
        )
    print(f"{minutes:g} minutes, {killer.killed} slots killed, {done:,} items completed, {wrong} workers lost")
    print(f"Exit codes of what should still run: {ended}")
    print(f"| figure | {' | '.join(f'{number * 10} %' for number in range(len(taken) - 1))} | end |")
    print("| --- |" + " --- |" * len(taken))
    for name in taken[0]:
        cells = [f"{row[name]:,.1f}" if name in row else "ended" for row in taken]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    # A scene that is left behind would keep its server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main(sys.argv[1:])
