"""Idle fleets: what 10, 50, 100 and 200 workers without work cost the server, and how soon a dead one is noticed.

The workers are their sessions with the database, with the real heartbeats, upkeep and search for work, in one process
and without slots. The cost is the CPU time of all of the server's processes. Then one worker that looks for lost ones
for all, and another, end at once, by their sessions being terminated without a reconnect.

Usage: fleet.py [WORKERS...]   (default 10 50 100 200)
"""

import os
import sys
import threading
import time
from pathlib import Path

from support import database, harness

from evtrack.runtime.maintenance import GRACE_S, LEASE_S
from evtrack.runtime.waker import Waker
from evtrack.runtime.worker.database.claim_planner import IDLE_S
from evtrack.runtime.worker.database.heartbeat import Heartbeat, HeartbeatNews
from evtrack.storage.connection.connect import connect
from evtrack.storage.queue.queue import Queue
from evtrack.storage.queue.workers import register_worker

_MEASURED_S = harness.sized(30.0, smoke=1.0)
_SETTLED_S = harness.sized(8.0, smoke=1.0)
_TICK_S = float(os.sysconf("SC_CLK_TCK"))
_LOST = "SELECT count(*), max(extract(EPOCH FROM lost_at)) FROM evtrack.worker WHERE lost_at IS NOT NULL"


class Member:
    """A worker of the fleet that never has work."""

    def __init__(self, dsn: str, number: int) -> None:
        self._dsn = dsn
        with connect(dsn, purpose="registration") as conn:
            self.worker_id = register_worker(
                conn, name=f"w{number}", host="bench", pid=number, slots=1, handlers=["idle"], marks=True
            )
        self._stopping = threading.Event()
        self.heartbeat = Heartbeat(
            dsn=dsn,
            worker_id=self.worker_id,
            handlers=["idle"],
            news=HeartbeatNews(Waker()),
            busy=lambda: 0,
            grace_s=GRACE_S,
            lease_s=LEASE_S,
        )
        self._thread = threading.Thread(target=self._look_for_work, daemon=True)

    def start(self) -> None:
        """Start its threads."""
        self.heartbeat.start()
        self._thread.start()

    def end(self) -> None:
        """End at once, without a word to the database, as if the process was killed."""
        self._stopping.set()
        self.heartbeat.stop()

    def _look_for_work(self) -> None:
        with connect(self._dsn, purpose="worker") as conn:
            queue = Queue(connection=conn, worker_id=self.worker_id, handlers=["idle"])
            while not self._stopping.wait(max(IDLE_S, self.heartbeat.pace_s)):
                queue.claimable({})


def cpu_s(postmaster: int) -> float:
    """Return the CPU time of a server and its processes, with those that have ended."""
    total = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == postmaster or int(fields[1]) == postmaster:
            total += sum(int(ticks) for ticks in fields[11 : 15 if int(path.parent.name) == postmaster else 13])
    return total / _TICK_S


def measure(dsn: str, count: int) -> None:
    """Print the row of a fleet."""
    members = [Member(dsn, number) for number in range(count)]
    for member in members:
        member.start()
    try:
        with connect(dsn, purpose="bench") as conn:
            (path,) = conn.execute("SHOW data_directory").fetchone() or ("",)
            postmaster = int((Path(path) / "postmaster.pid").read_text(encoding="utf-8").split()[0])
            time.sleep(_SETTLED_S)
            begun, used = time.monotonic(), cpu_s(postmaster)
            time.sleep(_MEASURED_S)
            share = (cpu_s(postmaster) - used) / (time.monotonic() - begun)
            took = [_timed_reap(conn) for _ in range(20)]
            (sessions,) = conn.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name LIKE 'evtrack%' AND pid <> pg_backend_pid()"
            ).fetchone() or (0,)
            reapers = [member for member in members if member.heartbeat.has_turn]
            dead = {*reapers[:1], members[-1]}
            at = time.time()
            for member in dead:
                member.end()
            while (row := conn.execute(_LOST).fetchone()) is not None and row[0] < len(dead):
                if time.time() - at > LEASE_S:
                    break
                time.sleep(0.05)
            lost, last = row or (0, None)
            noticed = f"{float(last) - at:6.2f}" if lost >= len(dead) else "   never"
            print(f"{count:8} {share * 100:11.2f} {sorted(took)[10] * 1000:8.2f} {sessions:12} {noticed:>10}")
            conn.execute("UPDATE evtrack.worker SET stopped_at = now() WHERE stopped_at IS NULL AND lost_at IS NULL")
            conn.execute("TRUNCATE evtrack.worker")
    finally:
        for member in members:
            member.end()


def _timed_reap(conn: object) -> float:
    begun = time.perf_counter()
    conn.execute("SELECT * FROM evtrack.reap()")  # type: ignore[attr-defined]
    return time.perf_counter() - begun


def main() -> None:
    """Measure fleets of several sizes."""
    sizes = [int(each) for each in sys.argv[1:]] or harness.sized([10, 50, 100, 200], smoke=[2])
    print(f"{'workers':>8} {'% of a core':>11} {'reap ms':>8} {'connections':>12} {'noticed s':>10}")
    with harness.server() as dsn:
        for size in sizes:
            measure(database.create(dsn, "fleet"), size)


if __name__ == "__main__":
    main()
