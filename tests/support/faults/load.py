"""The work that goes on under a fault: real workers, a watcher, a follower and a submitter.

Progress is sampled through a session of the test's own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from cluster import wait_for
from items import item

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HERE = Path(__file__).parent
_SAMPLE_S = 0.1
_STOP_S = 60.0


class Load:
    """Workers and what watches them, on one database.

    Args:
        folder: A new directory for logs and traces.
        admin: Returns the connection string of the database for the test's own sessions, whatever the network does.
        evtrack: The words that run evtrack: another release's, perhaps.
    """

    def __init__(
        self, folder: Path, admin: Callable[[], str], evtrack: Sequence[str] = (sys.executable, "-m", "evtrack")
    ) -> None:
        self.folder, self.admin, self._evtrack = folder, admin, list(evtrack)
        folder.mkdir(parents=True, exist_ok=True)
        self.slow = folder / "slow"
        self.slow.touch()
        self.samples: list[tuple[float, int]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self.watchers: list[subprocess.Popen[bytes]] = []
        self.followers: list[subprocess.Popen[bytes]] = []
        self.submitters: list[subprocess.Popen[bytes]] = []
        self.feeders: list[threading.Thread] = []
        self.fed = Counter[int]()
        self.ended = threading.Event()
        self.sampler = threading.Thread(target=self._sample, daemon=True)
        self.began = 0.0
        self.jobs: dict[int, int] = {}
        self.names = Counter[str]()

    # What runs

    def process(self, dsn: str, *words: str, inside: Sequence[str] = (), **options: Any) -> subprocess.Popen[bytes]:
        """Start evtrack with logs in the folder; the first word is its command."""
        self.names[words[0]] += 1
        name = f"{words[0]}{self.names[words[0]]}"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("EVTRACK_", "PG", "DATABASE_URL"))}
        env |= {
            "FAULTS_DIR": str(self.folder),
            "FAULTS_WORKER": name.removeprefix("work"),
            "EVTRACK_STATE_DIR": str(self.folder / "state"),
            "EVTRACK_DSN": dsn,
        }
        with (self.folder / f"{name}.out").open("wb") as out, (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [*inside, *self._evtrack, "--log-format", "json", *words],
                cwd=_HERE,
                env=env,
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=out,
                stderr=log,
                **options,
            )

    def work(self, dsn: str, *options: str, inside: Sequence[str] = (), slots: int = 2) -> subprocess.Popen[bytes]:
        """Start a worker."""
        words = ["work", "--import", "fault_handlers", "--slots", str(slots), "--grace", "5", *options]
        self.workers.append(self.process(dsn, *words, inside=inside))
        return self.workers[-1]

    def watch(self, dsn: str, *options: str, inside: Sequence[str] = ()) -> None:
        """Start a watcher."""
        self.watchers.append(self.process(dsn, "watch", *options, inside=inside))

    def follow(self, dsn: str, inside: Sequence[str] = ()) -> None:
        """Start what reads all events as they come."""
        self.followers.append(self.process(dsn, "events", "--follow", "--json", inside=inside))

    def submit(self, dsn: str, items: int, *options: str, do: str | None = None) -> None:
        """Submit a job at once; `do` is what all of its items do, if not the usual mixture."""
        number = len(self.jobs) + len(self.fed) + 1
        source = self.folder / f"items{number}.jsonl"
        source.write_text("".join(f"{item(n, number, do)}\n" for n in range(items)))
        process = self.process(dsn, "submit", str(source), *self._policy(), *options)
        assert process.wait(120) == 0, self.said("submit")
        job = int((self.folder / f"submit{self.names['submit']}.out").read_text().split()[-1])
        self.jobs[job] = items
        if not self.sampler.is_alive():
            self.began = time.monotonic()
            self.sampler.start()

    def feed(self, dsn: str, *, per_s: float, until: threading.Event, inside: Sequence[str] = ()) -> None:
        """Submit another job slowly, from a pipe, until an event is set."""
        number = 1000 + len(self.fed)
        self.fed[number] = 0
        process = self.process(dsn, "submit", "-", *self._policy(), inside=inside, stdin=subprocess.PIPE)
        self.submitters.append(process)

        def feed() -> None:
            assert process.stdin
            with suppress(BrokenPipeError), process.stdin as pipe:
                while not until.wait(1 / per_s):
                    pipe.write(f"{item(self.fed[number], number)}\n".encode())
                    pipe.flush()
                    self.fed[number] += 1

        self.feeders.append(threading.Thread(target=feed, daemon=True))
        self.feeders[-1].start()

    @staticmethod
    def _policy() -> list[str]:
        return ["--handler", "steady", "--batch-size", "5", "--max-errors", "2", "--backoff", "0.2"]

    def said(self, name: str) -> str:
        """Return the end of the logs whose name begins so."""
        return "\n".join(log.read_text(errors="replace")[-1500:] for log in sorted(self.folder.glob(f"{name}*.log")))

    # What is seen

    def _sample(self) -> None:
        conn: psycopg.Connection[Any] | None = None
        while not self.ended.wait(_SAMPLE_S):
            try:
                if conn is None:
                    conn = psycopg.connect(self.admin(), autocommit=True, connect_timeout=2)
                    conn.execute("SET statement_timeout = '1s'")
                row = conn.execute(
                    "SELECT sum(completed_items + failed_items + crashed_items)::bigint FROM evtrack.progress"
                ).fetchone()
                self.samples.append((time.monotonic(), int(row[0] or 0) if row else 0))
            except psycopg.Error:
                if conn is not None and conn.closed:
                    conn = None
        if conn is not None:
            conn.close()

    def one(self, statement: str) -> Any:
        """Return the first column of a statement's row, from a session of its own."""
        with psycopg.connect(self.admin(), autocommit=True, connect_timeout=5) as conn:
            conn.execute("SET statement_timeout = '20s'")
            row = conn.execute(statement.encode()).fetchone()
            return row[0] if row else None

    def done(self) -> int:
        """Return how many items have ended, as the last sample saw it."""
        return self.samples[-1][1] if self.samples else 0

    def running(self, at_least: int = 50, timeout_s: float = 60.0, *, pooled: bool = False) -> None:
        """Wait until work is under way, and, unless a pooler hides it, all that was started is connected."""
        assert wait_for(lambda: self.done() >= at_least, timeout_s), f"no work under way: {self.said('work')}"
        if pooled:
            return
        # The one who submits, and the one who reads, have sessions before they do anything that shows.
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack {}'"
        for purpose, processes in (
            ("worker", self.workers),
            ("worker''s heartbeat", self.workers),
            ("watcher", self.watchers),
            ("watcher''s maintenance", self.watchers),
            ("submit", self.submitters),
            ("tail", self.followers),
        ):
            statement = sessions.format(purpose)
            assert wait_for(lambda s=statement, p=processes: self.one(s) >= len(p), timeout_s), f"{purpose} is missing"

    def returned_s(self, since: float) -> dict[str, float]:
        """Return after how long each worker began an item again, of those that did."""
        found: dict[str, float] = {}
        for trace in self.folder.glob("ran.*"):
            worker = trace.name.split(".")[1]
            for line in trace.read_text().splitlines():
                after = float(line.split()[-1]) - since
                if after > 0:
                    found[worker] = min(after, found.get(worker, after))
        return found

    def longest_stall(self, start: float, end: float) -> float:
        """Return the longest time without progress between two moments of the monotonic clock."""
        moved = [start]
        before = max((done for at, done in self.samples if at <= start), default=0)
        for at, done in self.samples:
            if start < at <= end and done > before:
                moved.append(at)
                before = done
        return max(b - a for a, b in zip(moved, [*moved[1:], end], strict=True))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to all that still run."""
        for process in (*self.workers, *self.watchers, *self.followers, *self.submitters):
            if process.poll() is None:
                process.send_signal(number)
        if number == signal.SIGKILL:
            self.ended.set()
            for process in (*self.workers, *self.watchers, *self.followers, *self.submitters):
                process.wait(10)
                if process.stdin:
                    process.stdin.close()
