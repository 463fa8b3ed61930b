"""Results: what a job's handler returned, item by item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg.rows import class_row

from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import rows
from evtrack.storage.connection.sql_files import statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.storage.connection.connect import Connection

_PAGE: Final = 1000


class Result(NamedTuple):
    """What a handler returned for an item.

    Args:
        ordinal: The item's ordinal in the job.
        result: A line of JSON.
    """

    ordinal: int
    item_key: str
    result: str


def results(conn: Connection, job_id: int) -> Iterator[Result]:
    """Read a job's results in the order of the source, one page at a time.

    Args:
        conn: An open connection, which nothing else may use meanwhile.

    Yields:
        Each item with a result.
    """
    # A cursor in the server, which needs a transaction: memory does not grow with the job.
    with translated(), conn.transaction(), conn.cursor("results", row_factory=class_row(Result)) as cursor:
        cursor.itersize = _PAGE
        yield from cursor.execute(statement("results"), {"job_id": job_id})


def batch_results(conn: Connection, job_id: int, batch_no: int, *, limit: int, characters: int) -> list[Result]:
    """Read the first results of a batch in the order of the source.

    Args:
        conn: An open connection.
        limit: The most results.
        characters: After how many of them a result is cut.
    """
    return rows(conn, Result, "batch_results", job_id=job_id, batch_no=batch_no, limit=limit, characters=characters)
