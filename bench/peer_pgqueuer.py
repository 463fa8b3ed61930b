"""pgqueuer, the fastest peer that also logs each step: single and bulk enqueue, draining by 1 and 2 processes.

Its handlers run in the worker's own process, evtrack's in separate slots.

Usage: peer_pgqueuer.py [JOBS]   (default 100,000; other benchmarks import it)
"""

import asyncio
import contextlib
import multiprocessing
import sys
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from psycopg.conninfo import conninfo_to_dict
from support import harness

from evtrack.storage.connection.connect import connect

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

BATCH = 500
_BULK = 1000
_START_S = 60
_DRAIN_S = 240


async def _connect(dsn: str) -> Any:
    given = conninfo_to_dict(dsn)
    return await asyncpg.connect(
        host=given["host"],
        port=int(given.get("port") or 5432),
        user=given.get("user"),
        password=given.get("password"),
        database=given["dbname"],
    )


async def _queries(dsn: str) -> Queries:
    return Queries(AsyncpgDriver(await _connect(dsn)))


def install(dsn: str) -> None:
    """Create its tables."""

    async def run() -> None:
        await (await _queries(dsn)).install()

    uvloop.run(run())


def single(dsn: str, seconds: float = 3) -> float:
    """Return the jobs per second of one enqueue per call."""

    async def run() -> float:
        queries, count, begun = await _queries(dsn), 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            await queries.enqueue("noop", b"{}")
            count += 1
        return count / (time.perf_counter() - begun)

    return uvloop.run(run())


def bulk(dsn: str, jobs: int) -> float:
    """Return the jobs per second of enqueues of up to 1,000 per call."""

    async def run() -> float:
        queries, begun = await _queries(dsn), time.perf_counter()
        for first in range(0, jobs, _BULK):
            count = min(_BULK, jobs - first)
            await queries.enqueue(["noop"] * count, [b"{}"] * count, [0] * count)
        return jobs / (time.perf_counter() - begun)

    return uvloop.run(run())


def _work(dsn: str, handled: "Synchronized[int]", started: Any) -> None:
    async def run() -> None:
        queuer = PgQueuer(AsyncpgDriver(await _connect(dsn)))

        @queuer.entrypoint("noop")
        async def noop(_job: Any) -> None:
            handled.value += 1

        started.set()
        await queuer.run(batch_size=BATCH)

    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        uvloop.run(run())


def queued(dsn: str) -> int:
    """Return the number of jobs in its queue."""
    with connect(dsn, purpose="bench") as conn:
        row = conn.execute("SELECT count(*) FROM pgqueuer").fetchone()
    assert row
    return int(row[0])


def drain(dsn: str, jobs: int, *, workers: int) -> float:
    """Return the jobs per second from the start of all workers until the queue's table is empty."""
    assert queued(dsn) == jobs
    spawn = multiprocessing.get_context("spawn")
    handled = [spawn.Value("q", 0, lock=False) for _ in range(workers)]
    started = [spawn.Event() for _ in range(workers)]
    processes = [spawn.Process(target=_work, args=(dsn, handled[i], started[i]), daemon=True) for i in range(workers)]
    for process in processes:
        process.start()
    try:
        for event in started:
            assert event.wait(_START_S), "a worker of pgqueuer did not start"
        begun = time.perf_counter()
        deadline = begun + _DRAIN_S
        # Only the last moments poll the table, which costs the workers something.
        while sum(each.value for each in handled) < jobs and time.perf_counter() < deadline:
            time.sleep(0.005)
        with connect(dsn, purpose="bench") as conn:
            while conn.execute("SELECT count(*) FROM pgqueuer").fetchone() != (0,):
                if time.perf_counter() > deadline:
                    raise TimeoutError(f"pgqueuer did not drain within {_DRAIN_S} s")
                time.sleep(0.01)
        return jobs / (time.perf_counter() - begun)
    finally:
        for process in processes:
            process.kill()
            process.join()


def main(arguments: list[str]) -> None:
    """Measure and print."""
    jobs = int(arguments[0]) if arguments else harness.sized(100_000, smoke=1000)
    with harness.server() as server:
        dsn = harness.database(server, "bench_peer", migrate=False)
        install(dsn)
        rate = single(dsn, harness.sized(3.0, smoke=0.2))
        assert queued(dsn)
        harness.show("pgqueuer, single enqueue", rate, "jobs/s")
        for count in (1,) if harness.SMOKE else (1, 2):
            dsn = harness.database(server, "bench_peer", migrate=False)
            install(dsn)
            harness.show("pgqueuer, bulk enqueue", bulk(dsn, jobs), "jobs/s")
            rate = drain(dsn, jobs, workers=count)
            harness.show(f"pgqueuer, drain, {count} process{'es' if count > 1 else ''}", rate, "jobs/s")


if __name__ == "__main__":
    main(sys.argv[1:])
