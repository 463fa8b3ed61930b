"""Reads the log and its projection, and holds one against the other."""

from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from event_streams import fold, stored_event
from evtrack.domain.batch_projection import BatchState
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import BatchStatus
from evtrack.domain.stored_event import StoredEvent

_BATCH_COLUMNS = ", ".join(name for name in BatchState.__slots__ if name != "ordinals")


class LogReader:
    """One session that reads.

    Args:
        conn: The session, in autocommit mode.
    """

    def __init__(self, conn: Connection[Any]) -> None:
        self.conn = conn

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), parameters or None).fetchall()

    def one(self, statement: str, *parameters: Any) -> Any:
        """Run a statement and return the first column of its only row."""
        (row,) = self.rows(statement, *parameters)
        return next(iter(row.values()))

    def phase(self, job: int) -> str:
        """Return the job's phase."""
        return self.one("SELECT phase::text FROM evtrack.job WHERE job_id = %s", job)

    def batch(self, job: int, number: int = 1) -> BatchState:
        """Return a batch as the projection has it."""
        return self.batches(job)[number]

    def batches(self, job: int) -> dict[int, BatchState]:
        """Return all batches of a job by number, as the projection has them."""
        rows = self.rows(
            f"SELECT batch_no, {_BATCH_COLUMNS}, ordinals::text AS ordinals FROM evtrack.batch"
            " WHERE job_id = %s ORDER BY batch_no",
            job,
        )
        return {row.pop("batch_no"): _batch(row) for row in rows}

    def events(self, job: int, number: int | None = None) -> list[StoredEvent]:
        """Return the events of a batch, or of all batches of a job, or with 0 the job's own."""
        rows = self.rows(
            "SELECT * FROM evtrack.event WHERE job_id = %s AND CASE WHEN %s::int IS NULL THEN batch_no > 0"
            " ELSE batch_no = %s END ORDER BY batch_no, version",
            job,
            number,
            number,
        )
        return [stored_event(row) for row in rows]

    def view(self, name: str, job: int, order: str = "1") -> list[dict[str, Any]]:
        """Return a view's rows for one job."""
        return self.rows(f"SELECT * FROM evtrack.{name} WHERE job_id = %s ORDER BY {order}", job)

    def own_links(self, job: int) -> bytes:
        """Return the digests of a job's own stream, from wherever they stand."""
        return self.one(
            "SELECT coalesce(string_agg(l.links, '' ORDER BY l.first_version), '') || j.links FROM evtrack.job j"
            " LEFT JOIN evtrack.job_link l ON l.job_id = j.job_id WHERE j.job_id = %s GROUP BY j.job_id",
            job,
        )

    def types(self, job: int, number: int = 1) -> list[str]:
        """Return the types of a stream's events."""
        return [str(event.type) for event in self.events(job, number)]

    def sums(self, job: int) -> dict[str, tuple[int, int]]:
        """Return (batches, items) by status, as the counters have them."""
        columns = ", ".join(
            f"coalesce(sum({status}_{what}), 0)::int AS {status}_{what}"
            for status in BatchStatus
            for what in ("batches", "items")
        )
        (row,) = self.rows(f"SELECT {columns} FROM evtrack.progress WHERE job_id = %s", job)
        return {str(status): (row[f"{status}_batches"], row[f"{status}_items"]) for status in BatchStatus}

    def check(self, *jobs: int) -> None:
        """Hold the projection and the counters of these jobs against the fold of their events."""
        for job in jobs:
            streams: dict[int, list[StoredEvent]] = {}
            for event in self.events(job):
                streams.setdefault(event.batch_no, []).append(event)
            folded = {number: fold(stream) for number, stream in streams.items()}
            kept = self.batches(job)
            differ = {
                number: (folded.get(number), kept.get(number))
                for number in folded.keys() | kept.keys()
                if folded.get(number) != kept.get(number)
            }
            assert not differ, f"job {job}, the log and the projection differ (log first): {differ}"
            expected = {str(status): [0, 0] for status in BatchStatus}
            for batch in folded.values():
                assert batch is not None
                assert batch.item_count == len(batch.ordinals)
                expected[batch.status][0] += 1
                expected[batch.status][1] += batch.item_count
            assert {status: tuple(pair) for status, pair in expected.items()} == self.sums(job)


def _batch(row: dict[str, Any]) -> BatchState:
    return BatchState(**row | {"status": BatchStatus(row["status"]), "ordinals": Ordinals.parse(row["ordinals"])})
