"""The storage: what takes how much room, what keeps a day from being dropped, and which jobs were dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.storage.reports import job_lists, system_lists

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.system_lists import StoredDay, TableSize
    from evtrack.storage.retention.ledger import LedgerLine

_PAGE: Final = 50
_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class Storage:
    """What is stored, and what was dropped.

    Args:
        bytes: The size of all tables with their indexes.
        tables: The size of each table, the largest first.
        days: The latest days, the latest first.
        stored_days: How many days are stored.
        dropped: Jobs that cleanup dropped, the latest first.
        older: Before which job there are more of them; None if there are none.
    """

    bytes: int
    tables: list[TableSize]
    days: list[StoredDay]
    stored_days: int
    dropped: list[LedgerLine]
    older: int | None


def _parse(address: Address) -> int | None:
    return address.optional_number("before")


def _read(conn: Connection, before: int | None) -> Storage:
    tables = system_lists.table_sizes(conn)
    days = system_lists.stored_days(conn)
    dropped = job_lists.dropped_page(conn, limit=_PAGE, before=before)
    return Storage(
        bytes=sum(table.total_bytes for table in tables),
        tables=tables,
        days=days[:_DAYS],
        stored_days=len(days),
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
