"""pgqueuer on asyncpg and uvloop; `batch` is how many jobs it takes at once. It logs each step of a job in a table."""

from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from psycopg.conninfo import conninfo_to_dict
from support import peer_program
from support.contender import Contender, spaced, until
from support.database import Connection, value
from support.stamps import Stamps

_CHUNK = 1000


class Pgqueuer(Contender):
    """Its handlers run in the worker's own process."""

    NAME = "pgqueuer"
    DONE = "SELECT NOT EXISTS (SELECT FROM pgqueuer)"

    def install(self) -> None:
        """Create its tables."""

        async def install() -> None:
            await (await _queries(self.dsn)).install()

        uvloop.run(install())

    def fill(self, jobs: int) -> None:
        """Enqueue jobs."""

        async def fill() -> None:
            queries = await _queries(self.dsn)
            for first in range(0, jobs, _CHUNK):
                await _enqueue(queries, min(_CHUNK, jobs - first))

        uvloop.run(fill())

    def check(self, conn: Connection, jobs: int) -> None:
        """Check that its log has the end of each job."""
        ended = value(conn, "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'")
        assert ended == jobs, ended

    def enqueue_each(self, seconds: float) -> int:
        """Enqueue one job at a time; a trigger sends the wake-up."""

        async def enqueue() -> int:
            queries, jobs, go_on = await _queries(self.dsn), 0, until(seconds)
            while go_on():
                await queries.enqueue("noop", b"-1")
                jobs += 1
            return jobs

        return uvloop.run(enqueue())

    def enqueue_many(self, seconds: float, size: int) -> int:
        """Enqueue many in a call."""

        async def enqueue() -> int:
            queries, jobs, go_on = await _queries(self.dsn), 0, until(seconds)
            while go_on():
                await _enqueue(queries, size)
                jobs += size
            return jobs

        return uvloop.run(enqueue())

    def enqueue_spaced(self, samples: int) -> list[int]:
        """Enqueue numbered jobs with gaps."""

        async def enqueue() -> list[int]:
            queries = await _queries(self.dsn)
            return await spaced(samples, lambda number: queries.enqueue("noop", str(number).encode()))

        return uvloop.run(enqueue())

    def queued(self, conn: Connection) -> int:
        """Return the number of jobs in its queue."""
        return int(value(conn, "SELECT count(*) FROM pgqueuer"))

    @staticmethod
    def work(dsn: str, settings: dict[str, Any]) -> None:
        """Be a worker."""

        async def work() -> None:
            stamps = Stamps.opened()
            queuer = PgQueuer(AsyncpgDriver(await _connect(dsn)))

            @queuer.entrypoint("noop")
            async def noop(job: Any) -> None:
                stamps.call(int(job.payload))

            await queuer.run(batch_size=settings["batch"])

        uvloop.run(work())


async def _connect(dsn: str) -> Any:
    given = conninfo_to_dict(dsn)
    return await asyncpg.connect(
        host=given.get("host"),
        port=int(given.get("port") or 5432),
        user=given.get("user"),
        password=given.get("password"),
        database=given["dbname"],
    )


async def _queries(dsn: str) -> Queries:
    return Queries(AsyncpgDriver(await _connect(dsn)))


async def _enqueue(queries: Queries, jobs: int) -> None:
    await queries.enqueue(["noop"] * jobs, [b"-1"] * jobs, [0] * jobs)


if __name__ == "__main__":
    peer_program.main(Pgqueuer)
