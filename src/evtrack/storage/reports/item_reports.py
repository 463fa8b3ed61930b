"""Reports on items: the batch that holds each now, and its own last error."""

from collections.abc import Sequence
from dataclasses import dataclass

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A row of evtrack.item_status."""

    job_id: int
    ordinal: int
    item_key: str | None
    status: str
    batch_no: int
    attempt: int
    error: str | None
    path: list[int]
    line: int | None


def items(
    conn: Connection,
    job_id: int,
    *,
    limit: int,
    keys: Sequence[str] | None = None,
    statuses: Sequence[str] | None = None,
) -> list[ItemRow]:
    """Read a job's items in the order of its source.

    Args:
        limit: How many at most.
        keys: Only those with one of these keys; None for any.
        statuses: Only those of one of these statuses; None for any.
    """
    values = {"keys": None if keys is None else list(keys), "statuses": None if statuses is None else list(statuses)}
    return rows(conn, ItemRow, "items", job_id=job_id, limit=limit, **values)
