"""awa, a queue written in Rust with handlers in Python; `workers` is how many jobs it runs at once."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import awa
from psycopg.conninfo import conninfo_to_dict
from support import peer_program
from support.contender import Contender, spaced, until
from support.database import Connection, value
from support.stamps import Stamps

_CHUNK = 10_000
_CONNECTIONS = 20
_CLAIM = 512
_SETTLED_S = 1


@dataclass
class Noop:
    """A job that does nothing."""

    i: int


class Awa(Contender):
    """Its queue storage, which is its default."""

    NAME = "awa"
    DONE = """SELECT (SELECT coalesce(sum(completed_count), 0) FROM awa.receipt_completion_batches)
        + (SELECT count(*) FROM awa.done_entries)
        + (SELECT coalesce(sum(pruned_completed_count), 0) FROM awa.queue_terminal_rollups) >= %(jobs)s"""

    def install(self) -> None:
        """Create its tables; a new database turns to queue storage when its first worker starts."""

        async def install() -> None:
            client = _client(self.dsn)
            await client.migrate()

            @client.task(Noop, queue="q")
            async def noop(_job: Any) -> None:
                pass

            await client.start(_configuration(self.settings))
            await asyncio.sleep(_SETTLED_S)
            await client.shutdown()
            await client.close()

        asyncio.run(install())

    def fill(self, jobs: int) -> None:
        """Enqueue jobs by its COPY."""

        async def fill() -> None:
            async with _client(self.dsn) as client:
                for first in range(0, jobs, _CHUNK):
                    await client.enqueue_many_copy([Noop(-1)] * min(_CHUNK, jobs - first), queue="q")

        asyncio.run(fill())

    def enqueue_each(self, seconds: float) -> int:
        """Enqueue one job at a time."""

        async def enqueue() -> int:
            jobs, go_on = 0, until(seconds)
            async with _client(self.dsn) as client:
                while go_on():
                    await client.insert(Noop(-1), queue="q")
                    jobs += 1
            return jobs

        return asyncio.run(enqueue())

    def enqueue_many(self, seconds: float, size: int) -> int:
        """Enqueue many in a call."""

        async def enqueue() -> int:
            jobs, go_on, rows = 0, until(seconds), [Noop(-1)] * size
            async with _client(self.dsn) as client:
                while go_on():
                    await client.enqueue_many_copy(rows, queue="q")
                    jobs += size
            return jobs

        return asyncio.run(enqueue())

    def enqueue_spaced(self, samples: int) -> list[int]:
        """Enqueue numbered jobs with gaps."""

        async def enqueue() -> list[int]:
            async with _client(self.dsn) as client:
                return await spaced(samples, lambda number: client.insert(Noop(number), queue="q"))

        return asyncio.run(enqueue())

    @staticmethod
    def work(dsn: str, settings: dict[str, Any]) -> None:
        """Be a worker."""

        async def work() -> None:
            stamps, client = Stamps.opened(), _client(dsn)

            @client.task(Noop, queue="q")
            async def noop(job: Any) -> None:
                stamps.call(job.args.i)

            await client.start(_configuration(settings))
            await asyncio.Event().wait()

        asyncio.run(work())

    def ready(self, conn: Connection, workers: int) -> bool:
        """Return whether a worker has connected."""
        query = "SELECT count(*) > %s FROM pg_stat_activity WHERE datname = current_database()"
        return bool(value(conn, query, [workers]))


def _client(dsn: str) -> Any:
    given = conninfo_to_dict(dsn)
    user, password = quote(given.get("user") or "postgres"), given.get("password")
    login = f"{user}:{quote(password)}" if password else user
    where = f"host={quote(given.get('host') or 'localhost', safe='')}&port={given.get('port') or 5432}"
    return awa.AsyncClient(f"postgresql://{login}@localhost/{given['dbname']}?{where}", max_connections=_CONNECTIONS)


def _configuration(settings: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "q", "max_workers": settings["workers"], "claim_batch_size": _CLAIM}]


if __name__ == "__main__":
    peer_program.main(Awa)
