"""The batches of a job page by page; each page reads a bounded number of rows."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows
from evtrack.storage.reports.batch_reports import BatchRow
from evtrack.storage.reports.walk import Walk

LOOKED: Final = 5000
"""At how many numbers a page with a filter looks, and of how many the slowest batches are shown."""


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


def slowest_batches(conn: Connection, job_id: int, *, batches: int, limit: int = 5) -> list[BatchRow]:
    """Read the slowest of the latest batches of a job, the slowest first.

    Args:
        batches: The highest number of its batches.
        limit: How many at most.
    """
    return rows(conn, BatchRow, "slowest_batches", job_id=job_id, above=max(0, batches - LOOKED), limit=limit)


def _numbers(
    conn: Connection, job_id: int, *, status: str | None, after: int, limit: int
) -> tuple[list[int], int | None]:
    """Return numbers above one, and where to go on; None at the end."""
    params = {"job_id": job_id, "status": status, "after": after, "limit": limit, "walk": LOOKED}
    found = rows(conn, _Number, "batch_numbers", **params)
    return [each.batch_no for each in found if each.batch_no is not None], found[0].looked_to if found else None
