"""evtrack, measured as its peers are: one item a batch, a handler of items, workers with one isolated slot."""

import asyncio
from typing import TYPE_CHECKING, Any

from support import commands, database
from support.contender import Contender, spaced, until

import evtrack

if TYPE_CHECKING:
    import subprocess

FILL = """SELECT evtrack.enqueue('stamped', array_agg('K:' || i), array_agg('{"i": -1}'::text), batch_size => 1)
    FROM generate_series(1, %s) i"""
ONE = "SELECT evtrack.enqueue('stamped', '{k}', %s)"
# As lines, because psycopg takes longer to write arrays of texts than the server to read them.
MANY = "SELECT evtrack.enqueue('stamped', string_to_array(%s, E'\\n'), string_to_array(%s, E'\\n'), batch_size => 1)"
WAKE_UP = "SELECT pg_notify('evtrack_work', 'stamped')"
ONE_AND_WAKE_UP = "SELECT evtrack.enqueue('stamped', '{k}', %s), pg_notify('evtrack_work', 'stamped')"

_ITEM = {"i": -1}


class EvtrackQueue(Contender):
    """The queue of the checkout whose interpreter runs this.

    Args:
        server: The server's connection string.
        settings: With `python`, single jobs are enqueued by the Python API; with `together`, in one statement with
            the wake-up.
    """

    NAME = "evtrack"
    DONE = "SELECT NOT EXISTS (SELECT FROM evtrack.job WHERE phase <> 'finished')"

    def __init__(self, server: str, **settings: Any) -> None:
        self.settings = settings
        self.dsn = database.create(server, "bench_evtrack")

    def fill(self, jobs: int) -> None:
        """Enqueue batches of one item, and suspend their job until `release`."""
        with database.connect(self.dsn) as conn:
            conn.execute(FILL, [jobs])
            conn.execute("SELECT evtrack.suspend(job_id) FROM evtrack.job")

    def start_worker(self) -> "subprocess.Popen[bytes]":
        """Start a worker with one slot."""
        return commands.worker(self.dsn, "handlers.stamped")

    def ready(self, conn: database.Connection, workers: int) -> bool:
        """Return whether so many workers are registered."""
        return bool(database.value(conn, "SELECT count(*) = %s FROM evtrack.worker", [workers]))

    def release(self, conn: database.Connection) -> None:
        """Resume the job."""
        conn.execute("SELECT evtrack.resume(job_id) FROM evtrack.job")
        conn.execute(WAKE_UP)

    def check(self, conn: database.Connection, jobs: int) -> None:
        """Check the batches, their events and the whole log."""
        commands.check_done(conn, jobs)
        commands.verify(self.dsn)

    def enqueue_each(self, seconds: float) -> int:
        """Enqueue jobs of one item; the wake-up is a statement of its own, or part of that of the job."""
        jobs, go_on = 0, until(seconds)
        with database.connect(self.dsn) as conn:
            if self.settings.get("python"):
                while go_on():
                    evtrack.enqueue([_ITEM], handler="stamped", key="i", connection=conn)
                    jobs += 1
                return jobs
            together = self.settings.get("together")
            while go_on():
                conn.execute(ONE_AND_WAKE_UP if together else ONE, [['{"i": -1}']])
                if not together:
                    conn.execute(WAKE_UP)
                jobs += 1
        return jobs

    def enqueue_many(self, seconds: float, size: int) -> int:
        """Enqueue jobs of many batches of one item."""
        jobs, go_on = 0, until(seconds)
        keys, payloads = [f"K:{number}" for number in range(size)], ['{"i": -1}'] * size
        with database.connect(self.dsn) as conn:
            while go_on():
                conn.execute(MANY, ["\n".join(keys), "\n".join(payloads)])
                jobs += size
        return jobs

    def enqueue_spaced(self, samples: int) -> list[int]:
        """Enqueue jobs of one item; the time counts from the commit, before the wake-up."""
        with database.connect(self.dsn) as conn:
            conn.prepare_threshold = 1

            def enqueue(number: int) -> None:
                conn.execute(ONE, [[f'{{"i": {number}}}']])

            return asyncio.run(spaced(samples, enqueue, after=lambda: conn.execute(WAKE_UP)))

    def queued(self, conn: database.Connection) -> int:
        """Return the number of batches."""
        return int(database.value(conn, "SELECT count(*) FROM evtrack.batch"))
