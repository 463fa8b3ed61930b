"""The crashes: the map of handlers and days, and the latest ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from evtrack.domain.column_types import INTEGER_MAX
from evtrack.domain.crash import CrashCause
from evtrack.interfaces.web.address import Address, NoSuchPage, link
from evtrack.interfaces.web.charts.crash_map import MapRow, crash_grid
from evtrack.interfaces.web.page import Page
from evtrack.runtime.live.remembered import Remembered
from evtrack.storage.reports import trouble_lists
from evtrack.storage.reports.trouble_lists import CrashCursor

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.batch_reports import Crash

DAYS: Final = 14
"""How many days the crash map has."""

MAP_KEPT_S: Final = 60.0
"""For how long a crash map is shown before it is read again."""

_READ: Final = 500
_HANDLERS: Final = 15
_PAGE: Final = 40
_CURSOR_PARTS: Final = 3
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CrashMap:
    """How often attempts crashed, by handler and day.

    Args:
        at: When it was read, by this machine's clock.
        days: The columns, the latest last.
        rows: The handlers, those with most crashes first.
        handlers: How many handlers there are.
    """

    at: datetime
    days: list[date]
    rows: list[MapRow]
    handlers: int


@dataclass(frozen=True, slots=True)
class CrashesArgs:
    """Which crashes.

    Args:
        handler: Only those of this handler.
        cause: Only those of this cause.
        day: Only those of this day, in UTC.
        before: Only older ones than this one.
    """

    handler: str | None
    cause: str | None
    day: date | None
    before: CrashCursor | None


@dataclass(frozen=True, slots=True)
class Crashes:
    """The crash map, and a page of crashes, the latest first.

    Args:
        map: The crash map.
        causes: The causes that there are.
        crashes: The crashes.
        older: Before which place there may be more; None if there are none.
    """

    map: CrashMap
    causes: list[CrashCause]
    crashes: list[Crash]
    older: str | None


def read_map(conn: Connection) -> CrashMap:
    """Read the crash map."""
    found = trouble_lists.crash_map(conn, days=DAYS)
    at = datetime.now(UTC)
    # By the server's clock, a day may have begun that has not begun here.
    today = max([at.date(), *(each.day for each in found)])
    days = [today - timedelta(days=number) for number in reversed(range(DAYS))]
    return CrashMap(at, days, crash_grid(found, days, limit=_READ), len({each.handler for each in found}))


CRASH_MAP: Final = Remembered(read_map, keep_s=MAP_KEPT_S)
"""The crash map of each database."""


def _written(place: CrashCursor) -> str:
    """Write a place among all crashes as numbers."""
    return f"{(place.at - _EPOCH) // _MICROSECOND}-{place.job_id}-{place.batch_no}"


def _place(address: Address) -> CrashCursor | None:
    given = address.query.get("before")
    if not given:
        return None
    parts = dict(zip(("at", "job", "batch"), given.split("-"), strict=False))
    if len(parts) != _CURSOR_PARTS or given.count("-") != _CURSOR_PARTS - 1:
        raise NoSuchPage
    numbers = Address(parts, {})
    try:
        at = _EPOCH + numbers.number("at", least=0) * _MICROSECOND
    except OverflowError:
        raise NoSuchPage from None
    return CrashCursor(at, numbers.number("job", least=0), numbers.number("batch", least=0, most=INTEGER_MAX))


def _day(address: Address) -> date | None:
    given = address.query.get("day")
    if not given:
        return None
    try:
        found = date.fromisoformat(given)
    except ValueError:
        raise NoSuchPage from None
    if found == date.max:
        # No day comes after it.
        raise NoSuchPage
    return found


def _parse(address: Address) -> CrashesArgs:
    cause = address.choice("cause", list(CrashCause))
    return CrashesArgs(address.text("handler"), cause, _day(address), _place(address))


def _address(args: CrashesArgs) -> str:
    before = _written(args.before) if args.before else None
    return link("/crashes", handler=args.handler, cause=args.cause, day=args.day, before=before)


def _read(conn: Connection, args: CrashesArgs) -> Crashes:
    found = trouble_lists.crashes_page(
        conn,
        handler=args.handler,
        cause=args.cause,
        day=datetime.combine(args.day, time(), UTC) if args.day else None,
        before=args.before,
        limit=_PAGE,
    )
    crash_map = CRASH_MAP(conn)
    shown = replace(crash_map, rows=crash_map.rows[:_HANDLERS])
    older = _written(found.next) if found.next else None
    return Crashes(shown, list(CrashCause), found.rows, older)


CRASHES: Final = Page(
    name="crashes",
    path="/crashes",
    parse=_parse,
    address=_address,
    read=_read,
    title=lambda _: "Crashes",
    every_s=2.0,
)
