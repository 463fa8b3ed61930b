"""The batches of a job page by page, and their events; each page reads a bounded number of rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import set_json_loads

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import one, rows
from evtrack.storage.connection.sql_files import statement
from evtrack.storage.log.log_row import LogRow, readable
from evtrack.storage.reports.batch_reports import BatchRow
from evtrack.storage.reports.job_reports import job_key
from evtrack.storage.reports.walk import Walk

LOOKED: Final = 5000
"""At how many numbers a page with a filter looks, and of how many the slowest batches are shown."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long completed batches among the latest of a job ran; None without any."""

    batches: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None


class Extent(NamedTuple):
    """The highest number of a job's batches, and of its items."""

    batches: int
    items: int


class _Number(NamedTuple):
    batch_no: int | None
    looked_to: int | None


def batches_page(
    conn: Connection, job_id: int, *, limit: int = 50, after: int = 0, status: str | None = None
) -> Walk[BatchRow]:
    """Read a page of a job's batches, in the order of their numbers.

    Args:
        limit: How many at most.
        after: Only batches with higher numbers.
        status: Only those of this status; None for any.
    """
    numbers, end = _numbers(conn, job_id, status=status, after=after, limit=limit)
    page = rows(conn, BatchRow, "batches_page", job_id=job_id, batch_nos=numbers) if numbers else []
    if end is None or status is None or len(numbers) == limit:
        return Walk(page, end)
    return Walk(page, end, after + 1, end)


def number_chunks(conn: Connection, job_id: int, *, status: str, most: int) -> Iterator[list[int]]:
    """Read the numbers of a job's batches of one status, in their order, while that status may change.

    Args:
        status: The status.
        most: How many numbers a chunk has at most; it may have none.
    """
    after: int | None = 0
    while after is not None:
        numbers, after = _numbers(conn, job_id, status=status, after=after, limit=most)
        yield numbers


def slowest_batches(conn: Connection, job_id: int, *, limit: int = 5, batches: int | None = None) -> list[BatchRow]:
    """Read the slowest of the latest batches of a job, the slowest first.

    Args:
        limit: How many at most.
        batches: The highest number of its batches, if that is known.
    """
    above = _above(conn, job_id) if batches is None else max(0, batches - LOOKED)
    return rows(conn, BatchRow, "slowest_batches", job_id=job_id, above=above, limit=limit)


def durations(conn: Connection, job_id: int) -> Durations:
    """Read how long the completed ones of the latest batches of a job ran."""
    found = one(conn, Durations, "batch_durations", job_id=job_id, above=_above(conn, job_id))
    return found or Durations(0, None, None, None)


def events_page(conn: Connection, job_id: int, batch_no: int, *, after: int = 0, limit: int = 200) -> list[LogRow]:
    """Read a page of a stream, in the order of its versions.

    Args:
        batch_no: The batch; 0 for the job's own stream.
        after: Only events with higher versions.
        limit: How many at most.

    Raises:
        NoSuchJob: There is no such job.
    """
    day = job_key(conn, job_id).job_day
    params = {"job_day": day, "job_id": job_id, "batch_no": batch_no, "after": after, "upto": after + limit}
    with translated(), conn.cursor(row_factory=class_row(LogRow)) as cursor:
        set_json_loads(readable, cursor)
        return cursor.execute(statement("event_page"), params).fetchall()


def extent(conn: Connection, job_id: int) -> Extent:
    """Read the highest number of a job's batches, and of its items."""
    return one(conn, Extent, "job_extent", job_id=job_id) or Extent(0, 0)


def _numbers(
    conn: Connection, job_id: int, *, status: str | None, after: int, limit: int
) -> tuple[list[int], int | None]:
    """Return numbers above one, and where to go on; None at the end."""
    params = {"job_id": job_id, "status": status, "after": after, "limit": limit, "walk": LOOKED}
    found = rows(conn, _Number, "batch_numbers", **params)
    return [each.batch_no for each in found if each.batch_no is not None], found[0].looked_to if found else None


def _above(conn: Connection, job_id: int) -> int:
    return max(0, extent(conn, job_id).batches - LOOKED)
