"""Jobs for a worker to drain, and how far it is."""

from evtrack.storage.connection.connect import Connection


class DrainedJobs:
    """Jobs that a worker drains, one after the other.

    Args:
        conn: The database.
        batches: The batches of each.
    """

    def __init__(self, conn: Connection, batches: int) -> None:
        self._conn, self._batches = conn, batches
        self._jobs: list[int] = []
        self.refill()

    @property
    def job(self) -> int:
        """The job that is drained: the first one that is not done."""
        row = self._conn.execute(
            "SELECT min(job_id) FROM evtrack.job_progress WHERE job_id = ANY(%s) AND pending > 0", [self._jobs]
        ).fetchone()
        assert row
        return int(row[0] or self._jobs[-1])

    def refill(self) -> None:
        """Submit another job, unless more than one is still to come."""
        if self._jobs and self._sum("pending") > self._batches:
            return
        row = self._conn.execute(
            "SELECT evtrack.enqueue('noop', array_agg('K:' || i), array_agg('{\"i\": 1}'::text), batch_size => 1)"
            " FROM generate_series(1, %s) i",
            [self._batches],
        ).fetchone()
        assert row
        self._jobs.append(row[0])
        self._conn.execute("SELECT pg_notify('evtrack_work', 'noop')")

    def done(self) -> tuple[float, float]:
        """Return when it is by the server's clock, and how many batches are done."""
        row = self._conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        assert row
        return row[0], self._sum("done")

    def _sum(self, column: str) -> float:
        query = f"SELECT sum({column})::float8 FROM evtrack.job_progress WHERE job_id = ANY(%s)"  # noqa: S608  ours
        row = self._conn.execute(query.encode(), [self._jobs]).fetchone()
        assert row
        return float(row[0])
