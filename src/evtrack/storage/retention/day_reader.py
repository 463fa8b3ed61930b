"""Reads a whole day of the log, page by page, as lines of JSON."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from evtrack.domain.column_types import BIGINT_MAX, BIGINT_MIN
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import rows, value
from evtrack.storage.connection.sql_files import statement

Table = Literal["events", "payloads", "results"]

PAGE: Final = 50_000
"""How many rows of a day one statement reads, and so one snapshot sees."""

JOBS_AT_ONCE: Final = 10
"""How many jobs one statement reads, each with its batches."""


@dataclass(frozen=True, slots=True)
class DayJob:
    """A job as the projection has it.

    Args:
        versions: How many events its streams have.
        digest: The digest of these; None if the job is older than digests.
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

    Nothing holds that snapshot open: the rows are read page by page, each page as it is then. Events that were added in
    between are not in the snapshot, and `drop_day` notices them.

    Args:
        conn: A connection in autocommit mode, outside of a transaction.
    """

    def __init__(self, conn: Connection, job_day: date) -> None:
        self._conn, self._day = conn, job_day
        self.snapshot: str = value(conn, "current_snapshot")

    def jobs(self) -> Iterator[DayJob]:
        """Read the day's jobs, a few at a time.

        Yields:
            The jobs by number.
        """
        after = BIGINT_MIN
        while True:
            page = rows(self._conn, DayJob, "day_jobs", job_day=self._day, after=after, most=JOBS_AT_ONCE)
            yield from page
            if len(page) < JOBS_AT_ONCE:
                return
            after = page[-1].job_id

    def lines(self, table: Table, jobs: Sequence[DayJob]) -> Generator[bytes]:
        """Read a table of the day as lines of JSON, in the order of jobs and streams.

        A caller that does not read to the end must close it; until then the connection cannot be used.

        Args:
            jobs: The day's jobs by number.

        Yields:
            The lines, each with its newline.
        """
        for first, end in pages(jobs, table):
            params = {"job_day": self._day, "job_from": first[0], "no_from": first[1], "job_to": end[0]}
            with (
                translated(),
                self._conn.cursor() as cursor,
                cursor.copy(statement(f"day_{table}"), {**params, "no_to": end[1]}) as copy,
            ):
                for line in copy:
                    yield bytes(line)


def pages(jobs: Sequence[DayJob], table: Table, size: int = PAGE) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Split a day into pages of about the same number of rows.

    Args:
        jobs: The day's jobs by number.
        size: How many rows a page should have.

    Yields:
        The start of each page and its exclusive end, each a job and a batch or an ordinal of it. Together they cover
        everything that can exist.
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
