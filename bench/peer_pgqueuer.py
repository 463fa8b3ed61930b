"""pgqueuer, the fastest peer that also logs each step: single and bulk enqueue, and draining in 1 or 2 processes.

Runs with the extra `bench` installed. Its handlers run in the worker's own process, evtrack's in slots apart.

Usage: peer_pgqueuer.py   (or imported: single, bulk, drain)
"""

import asyncio
import contextlib
import multiprocessing
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import lab
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

BATCH = 500


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
    """Make its tables."""

    async def run() -> None:
        await (await _queries(dsn)).install()

    uvloop.run(run())


def single(dsn: str, seconds: float = 3) -> float:
    """Jobs a second, one enqueue a call."""

    async def run() -> float:
        queries, count, begun = await _queries(dsn), 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            await queries.enqueue("noop", b"{}")
            count += 1
        return count / (time.perf_counter() - begun)

    return uvloop.run(run())


def bulk(dsn: str, jobs: int) -> float:
    """Jobs a second, 1,000 a call."""

    async def run() -> float:
        queries, begun = await _queries(dsn), time.perf_counter()
        for _ in range(jobs // 1000):
            await queries.enqueue(["noop"] * 1000, [b"{}"] * 1000, [0] * 1000)
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


def drain(dsn: str, jobs: int, *, workers: int) -> float:
    """Jobs a second from the first worker's start until its table says that all are done."""
    spawn = multiprocessing.get_context("spawn")
    handled = [spawn.Value("q", 0, lock=False) for _ in range(workers)]
    started = [spawn.Event() for _ in range(workers)]
    processes = [spawn.Process(target=_work, args=(dsn, handled[i], started[i]), daemon=True) for i in range(workers)]
    for process in processes:
        process.start()
    try:
        for event in started:
            event.wait(60)
        begun = time.perf_counter()
        deadline = begun + 240
        while sum(each.value for each in handled) < jobs and time.perf_counter() < deadline:
            time.sleep(0.005)
        with lab.connect(dsn, purpose="bench") as conn:
            while time.perf_counter() < deadline:
                row = conn.execute("SELECT count(*) FROM pgqueuer").fetchone()
                if row == (0,):
                    break
                time.sleep(0.01)
        return jobs / (time.perf_counter() - begun)
    finally:
        for process in processes:
            process.kill()
            process.join()


if __name__ == "__main__":
    with lab.server() as running:
        fresh = lab.database(running, "bench_pgqueuer", migrate=False)
        install(fresh)
        lab.show("pgqueuer, single enqueue", single(fresh), "jobs/s")
        for count in (1, 2):
            fresh = lab.database(running, "bench_pgqueuer", migrate=False)
            install(fresh)
            lab.show("pgqueuer, bulk enqueue", bulk(fresh, 100_000), "jobs/s")
            lab.show(f"pgqueuer, drain, {count} processes", drain(fresh, 100_000, workers=count), "jobs/s")
