"""The storage: what takes how much room, what keeps a day from being dropped, and which jobs were dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.runtime.live.remembered import Remembered
from evtrack.storage.reports import job_lists, system_lists

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.system_lists import StoredDay, TableSize
    from evtrack.storage.retention.ledger import LedgerLine

_PAGE: Final = 50
_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much room what takes.

    Args:
        at: When they were read.
        tables: The size of each table, the largest first.
        days: The days that are stored, the latest first.
    """

    at: datetime
    tables: list[TableSize]
    days: list[StoredDay]


def read_sizes(conn: Connection) -> Sizes:
    """Read how much room what takes."""
    return Sizes(datetime.now(UTC), system_lists.table_sizes(conn), system_lists.stored_days(conn))


SIZES: Final = Remembered(read_sizes, keep_s=60.0, times=200)
"""The sizes in each database: to read them, the server looks at each file, of which each day has dozens."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What is stored, and what was dropped.

    Args:
        bytes: The size of all tables with their indexes.
        measured_at: When the sizes were read.
        tables: The size of each table, the largest first.
        days: The latest days, the latest first.
        stored_days: How many days are stored.
        dropped: Jobs that cleanup dropped, the latest first.
        older: Before which job there are more of them; None if there are none.
    """

    bytes: int
    measured_at: datetime
    tables: list[TableSize]
    days: list[StoredDay]
    stored_days: int
    dropped: list[LedgerLine]
    older: int | None


def _parse(address: Address) -> int | None:
    return address.optional_number("before")


def _read(conn: Connection, before: int | None) -> Storage:
    sizes = SIZES(conn)
    dropped = job_lists.dropped_page(conn, limit=_PAGE, before=before)
    return Storage(
        bytes=sum(table.total_bytes for table in sizes.tables),
        measured_at=sizes.at,
        tables=sizes.tables,
        days=sizes.days[:_DAYS],
        stored_days=len(sizes.days),
        dropped=dropped.rows,
        older=dropped.next,
    )


STORAGE: Final = Page(
    name="storage",
    path="/storage",
    parse=_parse,
    address=lambda before: link("/storage", before=before),
    read=_read,
    title=lambda _: "Storage",
    every_s=30.0,
)
