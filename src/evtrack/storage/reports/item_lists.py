"""The items of a key over all jobs, page by page, and the crashes with them in hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows
from evtrack.storage.reports.batch_reports import Crash
from evtrack.storage.reports.item_reports import ItemRow


class ItemCursor(NamedTuple):
    """A place in the order of the items of a key."""

    job_id: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class ItemPlace(ItemRow):
    """An item in one of the jobs that have it: which batches held it, and what became of it."""

    started_at: datetime | None
    finished_at: datetime | None
    job_name: str | None
    handler: str
    phase: str
    job_day: date


def items_by_key(
    conn: Connection, key: str, *, job_id: int | None = None, before: ItemCursor | None = None, limit: int = 20
) -> list[ItemPlace]:
    """Find the items with a key, in the latest job first.

    Args:
        job_id: Only in this job; None for all.
        before: Only those behind this place; None for all.
        limit: How many at most.
    """
    before_job, before_ordinal = before or (None, None)
    place = {"before_job": before_job, "before_ordinal": before_ordinal}
    return rows(conn, ItemPlace, "items_by_key", key=key, job_id=job_id, limit=limit, **place)


def item_crashes(conn: Connection, places: Sequence[ItemPlace], *, limit: int = 50) -> list[Crash]:
    """Read the crashes with one of these items in hand, the latest first.

    Args:
        places: The items.
        limit: How many crashes at most.
    """
    held = [(place.job_id, number, place.ordinal, place.item_key) for place in places for number in place.path]
    names = ("job_ids", "batch_nos", "ordinals", "item_keys")
    columns = {name: [each[position] for each in held] for position, name in enumerate(names)}
    return rows(conn, Crash, "item_crashes", **columns, limit=limit)
