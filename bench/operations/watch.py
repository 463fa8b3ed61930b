"""Alerts: the time from a crash to its line while a watcher runs, and whether any is lost when watchers are killed.

Crashes are reported through the write API, as a worker reports them. The clock starts before the report and stops
when the line is read. Then crashes go on while watchers are killed at random moments. Each alert must be delivered; it
may be delivered twice only if a watcher was killed while delivering it.

Usage: watch.py [CRASHES] [KILLS]   (default 200 and 50)
"""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any

from support import commands, database, harness, measures

from evtrack.storage.connection.connect import Connection, connect

_PATIENCE_S = 120


class Watcher:
    """A running `evtrack watch`, and the lines that it printed, each with the time at which it was read."""

    def __init__(self, dsn: str) -> None:
        self.lines: list[tuple[float, dict[str, Any]]] = []
        self.process = commands.evtrack("watch", "--dsn", dsn, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._ready = threading.Event()
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._log)]
        for thread in self._threads:
            thread.start()
        assert self._ready.wait(_PATIENCE_S), "the watcher did not start"

    def end(self, number: int) -> None:
        """Send a signal, and read the rest of the output."""
        self.process.send_signal(number)
        self.process.wait(_PATIENCE_S)
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            at = time.perf_counter()
            # A watcher killed while writing a line has not delivered it.
            if line.endswith(b"\n"):
                self.lines.append((at, json.loads(line)))

    def _log(self) -> None:
        for line in self.process.stderr or ():
            if b"watcher_started" in line:
                self._ready.set()


def crash(conn: Connection, worker: int) -> tuple[float, int]:
    """Make one batch crash, and return when its report began, and its job."""
    row = conn.execute("SELECT evtrack.enqueue('noop', '{a}', '{1}', policy => %s)", ['{"max_crashes": 1}']).fetchone()
    assert row
    job = int(row[0])
    conn.execute("SELECT * FROM evtrack.claim(%s::bigint, %s::bigint[], '{0}', 1, '{noop}', 0)", [worker, [job]])
    begun = time.perf_counter()
    conn.execute(
        "SELECT * FROM evtrack.crash(%s::bigint, %s::bigint[], '{1}', '{1}',"
        ' ARRAY[\'{"cause": "signal", "signal": "SIGSEGV", "ordinal": 1}\'::jsonb])',
        [worker, [job]],
    )
    return begun, job


def deliveries(watchers: list[Watcher]) -> "Counter[int]":
    """Return how often the crash of each job was delivered."""
    return Counter(
        line["job_id"] for one in watchers for _, line in list(one.lines) if line["event"] == "item_poisoned"
    )


def latency(conn: Connection, dsn: str, worker: int, crashes: int) -> None:
    """Print the time from a crash to its line."""
    watcher = Watcher(dsn)
    begun = {}
    for _ in range(crashes):
        time.sleep(random.uniform(0.01, 0.05))
        at, job = crash(conn, worker)
        begun[job] = at
    deadline = time.monotonic() + _PATIENCE_S
    while len(deliveries([watcher])) < crashes and time.monotonic() < deadline:
        time.sleep(0.05)
    watcher.end(signal.SIGTERM)
    taken = [1000 * (at - begun[line["job_id"]]) for at, line in watcher.lines if line["event"] == "item_poisoned"]
    assert len(taken) == crashes, f"{crashes} crashes, {len(taken)} lines"
    for share in (0.5, 0.99):
        harness.show(f"crash to line, {crashes} crashes, p{share * 100:.0f}", measures.percentile(taken, share), "ms")


def kills(conn: Connection, dsn: str, worker: int, crashes: int, number: int) -> None:
    """Kill watchers at random moments while crashes go on, and count deliveries."""
    jobs: list[int] = []
    over = threading.Event()

    def crashing() -> None:
        while not over.is_set() or len(jobs) < crashes:
            jobs.append(crash(conn, worker)[1])
            time.sleep(random.uniform(0, 0.1))

    thread = threading.Thread(target=crashing)
    thread.start()
    watchers = []
    for _ in range(number):
        watchers.append(Watcher(dsn))
        time.sleep(random.uniform(0, 0.3))
        watchers[-1].end(signal.SIGKILL)
    over.set()
    thread.join()
    watchers.append(Watcher(dsn))
    deadline = time.monotonic() + _PATIENCE_S
    while set(deliveries(watchers)) != set(jobs) and time.monotonic() < deadline:
        time.sleep(0.1)
    watchers[-1].end(signal.SIGTERM)
    found = deliveries(watchers)
    print(
        f"{len(jobs)} crashes, {number} watchers killed: {len(set(jobs) - set(found))} not delivered,"
        f" {sum(found.values()) - len(found)} delivered twice"
    )
    assert set(jobs) == set(found)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    defaults = (harness.sized(200, smoke=3), harness.sized(50, smoke=2))
    crashes, number = (*(int(word) for word in arguments), *defaults[len(arguments) :])
    with harness.server() as server:
        dsn = database.create(server, "bench_watch")
        with connect(dsn, purpose="bench") as conn:
            row = conn.execute("SELECT evtrack.register_worker('bench', 'bench', 1, 1, '{noop}', '0')").fetchone()
            assert row
            # It sends no heartbeat, and must not be declared lost meanwhile.
            conn.execute("UPDATE evtrack.worker SET seen_at = seen_at + interval '1 day'")
            latency(conn, dsn, int(row[0]), crashes)
            kills(conn, dsn, int(row[0]), 10 * number, number)


if __name__ == "__main__":
    main(sys.argv[1:])
