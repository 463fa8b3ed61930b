"""procrastinate on psycopg; `concurrency` is how many jobs a worker runs at once."""

import asyncio
from collections.abc import Iterable
from typing import Any

import procrastinate
from support import peer_program
from support.contender import Contender, spaced, until
from support.database import Connection, value
from support.stamps import Stamps

_CHUNK = 1000


class Procrastinate(Contender):
    """Its handlers run in the worker's own process. It logs each step of a job in a table."""

    NAME = "procrastinate"
    DONE = "SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"

    def install(self) -> None:
        """Create its tables."""

        async def install() -> None:
            app, _ = _app(self.dsn)
            async with app.open_async():
                await app.schema_manager.apply_schema_async()

        asyncio.run(install())

    def fill(self, jobs: int) -> None:
        """Enqueue jobs."""
        asyncio.run(_enqueue(self.dsn, (min(_CHUNK, jobs - first) for first in range(0, jobs, _CHUNK))))

    def check(self, conn: Connection, jobs: int) -> None:
        """Check that each job has succeeded."""
        ended = value(conn, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'")
        assert ended == jobs, ended

    def enqueue_each(self, seconds: float) -> int:
        """Enqueue one job at a time; a trigger sends the wake-up."""

        async def enqueue() -> int:
            app, noop = _app(self.dsn)
            jobs, go_on = 0, until(seconds)
            async with app.open_async():
                while go_on():
                    await noop.defer_async(i=-1)
                    jobs += 1
            return jobs

        return asyncio.run(enqueue())

    def enqueue_many(self, seconds: float, size: int) -> int:
        """Enqueue many in a call."""
        go_on = until(seconds)
        return asyncio.run(_enqueue(self.dsn, iter(lambda: size if go_on() else 0, 0)))

    def enqueue_spaced(self, samples: int) -> list[int]:
        """Enqueue numbered jobs with gaps."""

        async def enqueue() -> list[int]:
            app, noop = _app(self.dsn)
            async with app.open_async():
                return await spaced(samples, lambda number: noop.defer_async(i=number))

        return asyncio.run(enqueue())

    def queued(self, conn: Connection) -> int:
        """Return the number of jobs."""
        return int(value(conn, "SELECT count(*) FROM procrastinate_jobs"))

    @staticmethod
    def work(dsn: str, settings: dict[str, Any]) -> None:
        """Be a worker."""

        async def work() -> None:
            app, _ = _app(dsn, Stamps.opened())
            async with app.open_async():
                await app.run_worker_async(concurrency=settings["concurrency"], queues=["default"])

        asyncio.run(work())


def _app(dsn: str, stamps: Stamps | None = None) -> tuple[procrastinate.App, Any]:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn))

    @app.task(name="noop", queue="default")
    async def noop(i: int) -> None:
        assert stamps
        stamps.call(i)

    return app, noop


async def _enqueue(dsn: str, sizes: Iterable[int]) -> int:
    app, noop = _app(dsn)
    jobs = 0
    async with app.open_async():
        for size in sizes:
            await noop.batch_defer_async(*[{"i": -1}] * size)
            jobs += size
    return jobs


if __name__ == "__main__":
    peer_program.main(Procrastinate)
