"""A hundred viewers of ten pages of the dashboard: what they cost, how soon they see a commit, and what they leave.

While a worker drains jobs, the viewers come and go: windows of time with and without them alternate in one drain, so
the ratio of their medians hardly depends on what else the machine does. Meanwhile another job goes on item by item, and
the time from its commits to the frames that show them is taken.

Usage: viewers.py [BATCHES] [JOBS] [PAIRS]   (beside a job of 1,000,000 batches and 10,000 others; 10 pairs of windows)
"""

import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice
from typing import NamedTuple
from urllib.parse import quote

import httpx
from dashboard import large_world
from dashboard.dashboards import Served, Viewers, asked, served, sessions
from dashboard.drained_jobs import DrainedJobs
from dashboard.probe import Probe
from support import commands, database, harness, measures

from evtrack.interfaces.web.live.stream import MAX_STREAMS
from evtrack.storage.connection.connect import Connection, connect

VIEWERS = harness.sized(100, smoke=10)
DEAF = harness.sized(10, smoke=0)
OPENED = harness.sized(1000, smoke=20)
CROWD = harness.sized(300, smoke=MAX_STREAMS + 5)
AT_ONCE = 10
"""How many of them ask for something at a time."""
DRAINED = harness.sized(100_000, smoke=2_000)
"""The batches of a job that is drained."""
WINDOW_S = harness.sized(5.0, smoke=0.3)
SETTLE_S = harness.sized(1.0, smoke=0.0)
WATCH_S = harness.sized(15.0, smoke=0.3)
"""For how long reads are counted."""
DEAF_S = 120.0
"""How long it may take until those who never read are let go: buffers fill first."""

PAGES = ("/", "/jobs", "/jobs/1", "/jobs/1/batches", "/crashes", "/handlers", "/workers", "/alerts")
"""What is watched besides two jobs: the one that is drained, and the one that goes on item by item."""


def spread(addresses: Sequence[str], viewers: int) -> list[str]:
    """Return an address for each viewer."""
    return list(islice(cycle(addresses), viewers))


class Windows:
    """Measures windows of time with and without viewers while jobs are drained."""

    def __init__(self, dsn: str, conn: Connection, at: Served) -> None:
        self._conn, self._at = conn, at
        self._probe, self._drain = Probe(dsn), DrainedJobs(conn, DRAINED)
        self.rates: dict[bool, list[float]] = {False: [], True: []}
        self.cpu_s: dict[bool, list[float]] = {False: [], True: []}
        self.most_sessions = 0

    def have_begun(self) -> bool:
        """Return whether the worker has begun."""
        return self._drain.done()[1] > 0

    def measure(self, *, watched: bool) -> None:
        """Measure the rate of a window, and when its commits were seen."""
        self._drain.refill()
        with ExitStack() as stack:
            if watched:
                pages = spread([*PAGES, f"/jobs/{self._drain.job}", f"/jobs/{self._probe.job}"], VIEWERS)
                viewers = stack.enter_context(Viewers(self._at.port, pages, self._probe.take))
                viewers.wait()
                self._probe.watched_by([place for place, page in enumerate(pages) if page == pages[len(PAGES) + 1]])
            time.sleep(SETTLE_S)
            cpu_s, (begun, before) = self._at.cpu_s(self._conn), self._drain.done()
            until = time.monotonic() + WINDOW_S
            while (left_s := until - time.monotonic()) > 0:
                # Not in step with the rounds of the dashboard.
                time.sleep(min(left_s, random.uniform(0.2, 0.6)))
                self._probe.go_on()
                self.most_sessions = max(self.most_sessions, sessions(self._conn))
            ended, after = self._drain.done()
            self.cpu_s[watched].append((self._at.cpu_s(self._conn) - cpu_s) / (ended - begun))
            self.rates[watched].append((after - before) / (ended - begun))
            self._probe.wait()

    def show(self) -> None:
        """Print what was measured."""
        without, beside = (measures.percentile(self.rates[watched], 0.5) for watched in (False, True))
        harness.show("drain, nobody watches", without, "batches/s")
        harness.show(f"drain, {VIEWERS} viewers of 10 pages", beside, "batches/s", "without", without)
        ratios = [one / other for one, other in zip(self.rates[True], self.rates[False], strict=True)]
        harness.show("the same, the middle one of the pairs", measures.percentile(ratios, 0.5), "x without")
        cpu_pct = 100 * measures.percentile(self.cpu_s[True], 0.5)
        harness.show("CPU of the dashboard and its sessions", cpu_pct, "% of a core")
        harness.show("most sessions of the dashboard", self.most_sessions, "sessions")
        for share in (0.5, 0.95, 1.0):
            name = f"commit to frame, p{share * 100:.0f}"
            harness.show(name, measures.percentile(self._probe.latencies_s, share), "s")


def drain_beside_viewers(dsn: str, conn: Connection, at: Served, pairs: int) -> None:
    """Let windows with and without viewers alternate while a worker drains jobs."""
    with ExitStack() as stack:
        windows = Windows(dsn, conn, at)
        database.tidy(conn)
        stack.callback(commands.stop, commands.worker(dsn, "handlers.noop", "--handler", "noop"))
        commands.wait_until(windows.have_begun)
        for pair in range(pairs):
            for watched in (False, True) if pair % 2 else (True, False):
                windows.measure(watched=watched)
        windows.show()


class Load(NamedTuple):
    """What viewers cost in a second: snapshots that are read, and seconds of CPU."""

    reads: float
    cpu_s: float


def load_of(conn: Connection, at: Served, viewers: int) -> Load:
    """Return what so many viewers of ten pages cost."""

    def now() -> tuple[float, float, float]:
        row = conn.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").fetchone()
        assert row
        return time.monotonic(), row[0], at.cpu_s(conn)

    with Viewers(at.port, spread([*PAGES, "/jobs/2", "/jobs/3"], viewers)) as watching:
        watching.wait()
        time.sleep(SETTLE_S)
        begun, reads, cpu_s = now()
        time.sleep(WATCH_S)
        ended, reads_after, cpu_s_after = now()
    return Load((reads_after - reads) / (ended - begun), (cpu_s_after - cpu_s) / (ended - begun))


def many_beside_few(conn: Connection, at: Served) -> None:
    """Show what a hundred viewers cost beside one a page."""
    few, many = load_of(conn, at, 10), load_of(conn, at, VIEWERS)
    name = f"{VIEWERS} viewers of 10 pages, "
    harness.show(f"{name}snapshots read", many.reads, "a second", "1 a page", few.reads)
    harness.show(f"{name}CPU", 100 * many.cpu_s, "% of a core", "1 a page", 100 * few.cpu_s)


def deaf_viewers(conn: Connection, at: Served) -> None:
    """Show when those who never read are let go in a storm of crashes, and that others get their frames meanwhile."""
    deaf = [asked(at.port, page, receive_buffer=4096) for page in spread(("/jobs", "/alerts", "/crashes"), DEAF)]
    worker = large_world.register(conn, ["frail"])
    try:
        with Viewers(at.port, spread(("/", "/jobs", "/alerts", "/crashes"), VIEWERS)) as watching:
            watching.wait()
            begun, quiet_s, full = time.monotonic(), 0.0, at.descriptors
            while (left := at.descriptors - full + DEAF) > 0 and time.monotonic() - begun < DEAF_S:
                crash(conn, worker)
                time.sleep(0.2)
                quiet_s = max(quiet_s, time.monotonic() - min(watching.last_at))
            assert not watching.ended
    finally:
        for each in deaf:
            each.close()
    harness.show(f"of {DEAF} that never read, let go", DEAF - left, "viewers")
    harness.show("when the last one was", time.monotonic() - begun, "s")
    harness.show("longest silence at any other", quiet_s, "s")


def crash(conn: Connection, worker: int) -> None:
    """Let an item of a new job crash."""
    conn.execute("SELECT evtrack.heartbeat(%s)", [worker])
    row = conn.execute("SELECT evtrack.enqueue('frail', '{a}', '{1}', policy => '{\"max_crashes\": 1}')").fetchone()
    assert row
    conn.execute("SELECT * FROM evtrack.claim(%s, %s::bigint[], '{0}', 1, '{frail}')", [worker, [row[0]]])
    conn.execute(
        "SELECT * FROM evtrack.crash(%s::bigint, %s::bigint[], '{1}', '{1}',"
        ' ARRAY[\'{"cause": "signal", "signal": "SIGSEGV", "ordinal": 1}\'::jsonb])',
        [worker, [row[0]]],
    )


def opened_and_closed(at: Served) -> None:
    """Show what many streams leave that were opened and closed."""
    before = at.threads, at.descriptors
    for number in range(OPENED):
        asked(at.port, PAGES[number % len(PAGES)]).close()
    commands.wait_until(lambda: at.descriptors <= before[1])
    name = f"{OPENED:,} streams opened and closed leave"
    harness.show(name, at.threads - before[0], "threads more")
    harness.show(name, at.descriptors - before[1], "descriptors more")


def crowd(conn: Connection, at: Served) -> None:
    """Show that more viewers than there are streams poll, and that pages for many at a time need no more sessions."""
    took_ms, before, most = [], at.descriptors, 0

    def ask(page: str) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{at.port}") as client:
            for address in (f"/live?page={quote(page, safe='')}", page):
                begun = time.perf_counter()
                client.get(address).raise_for_status()
                took_ms.append(1000 * (time.perf_counter() - begun))

    with Viewers(at.port, spread(PAGES, CROWD)) as watching:
        watching.wait(10)
        commands.wait_until(lambda: len(watching.refused) >= CROWD - MAX_STREAMS)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asking = [pool.submit(ask, f"/jobs?before={number + 2}") for number in range(len(watching.refused))]
            while not all(each.done() for each in asking):
                most = max(most, sessions(conn))
                time.sleep(0.01)
        for each in asking:
            each.result()
        harness.show(f"of {CROWD} viewers, streams", CROWD - len(watching.refused), "viewers")
        harness.show(f"the others' polls and pages, {AT_ONCE} at once, p95", measures.percentile(took_ms, 0.95), "ms")
        harness.show("most sessions of the dashboard meanwhile", most, "sessions")
    # Its sessions stay for a while.
    commands.wait_until(lambda: at.descriptors <= before + 10)


def ended(at: Served) -> None:
    """Show how long the end takes with all streams open."""
    with Viewers(at.port, spread(PAGES, VIEWERS)) as watching:
        watching.wait()
        took_s = harness.timed(lambda: commands.stop(at.process))
        assert at.process.returncode == 0, at.process.returncode
        harness.show(f"SIGTERM with {VIEWERS} streams to the end", took_s, "s")


def main(arguments: list[str]) -> None:
    """Measure and print."""
    defaults = (harness.sized(1_000_000, smoke=1_000), harness.sized(10_000, smoke=100), harness.sized(10, smoke=1))
    batches, jobs, pairs = (*(int(word) for word in arguments), *defaults[len(arguments) :])
    with harness.server() as server:
        dsn = database.create(server, "bench_viewers")
        with connect(dsn, purpose="bench") as conn:
            large_world.load(conn, batches, jobs)
            measure(dsn, conn, pairs)


def measure(dsn: str, conn: Connection, pairs: int) -> None:
    """Measure it all."""
    with served(dsn) as at:
        rss_mb = at.rss_mb
        drain_beside_viewers(dsn, conn, at, pairs)
        many_beside_few(conn, at)
        opened_and_closed(at)
        crowd(conn, at)
        if DEAF:
            deaf_viewers(conn, at)
        harness.show("memory", at.rss_mb, "MB", "at the start", rss_mb)
        ended(at)


if __name__ == "__main__":
    main(sys.argv[1:])
