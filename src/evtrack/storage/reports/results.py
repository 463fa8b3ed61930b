"""What handlers returned, item by item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from evtrack.storage.connection.connect import Connection, translated
from evtrack.storage.connection.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGE: Final = 1000


class Result(NamedTuple):
    """What a handler returned for an item.

    Args:
        ordinal: The item's place in the job.
        item_key: Its key.
        result: A line of JSON.
    """

    ordinal: int
    item_key: str
    result: str


def results(conn: Connection, job_id: int) -> Iterator[Result]:
    """Read a job's results in the order of the source, a page at a time.

    Args:
        conn: An open connection, which nothing else may use meanwhile.
        job_id: The job.

    Yields:
        Each item for which something was returned.
    """
    # A cursor in the server, which lives in a transaction: memory does not grow with the job.
    with translated(), conn.transaction(), conn.cursor(name="results") as cursor:
        cursor.itersize = _PAGE
        for row in cursor.execute(statement("results"), {"job_id": job_id}):
            yield Result(*row)
