"""Reads a day of the log whole, page by page, as lines of JSON."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from psycopg.rows import class_row

from evtrack.domain.column_limits import BIGINT_MAX, BIGINT_MIN
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.statements import statement

Table = Literal["events", "payloads", "results"]

PAGE: Final = 50_000
"""How many rows are read by one statement, and so in one snapshot, of a day."""

JOBS_AT_ONCE: Final = 10
"""How many jobs are read by one statement, which reads each one's batches too."""


@dataclass(frozen=True, slots=True)
class DayJob:
    """A job as the projection has it.

    Args:
        versions: How many events its streams have by it.
        digest: The digest of these; None where the job is older than digests.
    """

    job_id: int
    name: str | None
    handler: str
    phase: str
    batches: dict[str, int]
    items: dict[str, int]
    invalid: int
    created_at: datetime
    ended_at: datetime | None
    batch_count: int
    item_count: int
    versions: int
    digest: str | None


class DayView:
    """One day as a snapshot saw it.

    Nothing holds that snapshot open: the rows are read page by page, each page as it is then. What came in between is
    not in the snapshot, and `drop_day` finds it.

    Args:
        conn: A connection in autocommit mode, outside of a transaction.
        job_day: The day.
    """

    def __init__(self, conn: Connection, job_day: date) -> None:
        self._conn, self._day = conn, job_day
        row = conn.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None, "a SELECT without FROM returns a row"  # noqa: S101
        self.snapshot: str = row[0]

    def jobs(self) -> Iterator[DayJob]:
        """Read the day's jobs, a few at once.

        Yields:
            The jobs by number.
        """
        after = BIGINT_MIN
        while True:
            with self._conn.cursor(row_factory=class_row(DayJob)) as cursor:
                params = {"job_day": self._day, "after": after, "most": JOBS_AT_ONCE}
                some = cursor.execute(statement("day_jobs"), params).fetchall()
            yield from some
            if len(some) < JOBS_AT_ONCE:
                return
            after = some[-1].job_id

    def lines(self, table: Table, jobs: Sequence[DayJob]) -> Generator[bytes]:
        """Read a table of the day as lines of JSON, in the order of jobs and streams.

        Who does not read to the end closes it: until then the connection is of no use to anybody.

        Args:
            table: Which one.
            jobs: The day's jobs by number.

        Yields:
            The lines, each with its newline.
        """
        for first, end in pages(jobs, table):
            params = {"job_day": self._day, "job_from": first[0], "no_from": first[1], "job_to": end[0]}
            with (
                self._conn.cursor() as cursor,
                cursor.copy(statement(f"day_{table}"), {**params, "no_to": end[1]}) as copy,
            ):
                for line in copy:
                    yield bytes(line)


def pages(jobs: Sequence[DayJob], table: Table, size: int = PAGE) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Cut a day into pages of about as many rows.

    Args:
        jobs: The day's jobs by number.
        table: Which table.
        size: How many rows a page shall have.

    Yields:
        Where each page begins and before what it ends: a job, and a batch or an ordinal of it. Together they cover all
        that there can be.
    """
    begin, filled = (BIGINT_MIN, 0), 0.0
    for job in jobs:
        numbers = job.item_count if table == "payloads" else job.batch_count
        rows = job.versions if table == "events" else numbers
        if filled + rows > size and filled:
            yield begin, (job.job_id, 0)
            begin, filled = (job.job_id, 0), 0.0
        step = max(1, numbers * size // max(rows, 1))
        for number in range(step, numbers, step) if rows > size else ():
            yield begin, (job.job_id, number)
            begin = (job.job_id, number)
        filled = size if rows > size else filled + rows
    yield begin, (BIGINT_MAX, 0)
