"""An item's biography: what became of it in every job, and the crashes with it in hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.domain.column_types import INTEGER_MAX
from evtrack.domain.states import BatchStatus
from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.storage.reports import item_lists
from evtrack.storage.reports.item_lists import ItemCursor, ItemPlace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.batch_reports import Crash

_PAGE: Final = 50
_CRASHES: Final = 20


@dataclass(frozen=True, slots=True)
class ItemsArgs:
    """Which item.

    Args:
        key: Its key; None asks for one.
        job_id: Only what became of it in this job.
        before: Only those of jobs with a smaller number, and of this one, those with a smaller ordinal than `after`.
        after: That ordinal.
    """

    key: str | None
    job_id: int | None
    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class Life:
    """What became of an item in a job.

    Args:
        fate: `done`, `poison`, or the status of the batch that holds it now.
        place: Where it is, and was.
    """

    fate: str
    place: ItemPlace


@dataclass(frozen=True, slots=True)
class Items:
    """What became of all items with a key, the latest job first.

    Args:
        key: The key; None if none was asked for.
        summary: A sentence for each status; empty if there is no such item.
        lives: The items, one a job, or more if its source repeats the key.
        crashes: The latest crashes with one of these items in hand.
        has_older: Whether there are more after the last one.
    """

    key: str | None
    summary: list[str]
    lives: list[Life]
    crashes: list[Crash]
    has_older: bool


def summary(lives: Iterable[Life]) -> list[str]:
    """Write what became of items, a sentence for each status.

    Args:
        lives: The items, the latest job first.

    Returns:
        As `poison in job 12` and `done in jobs 7 and 5`, that of the latest job first.
    """
    by_fate: dict[str, list[int]] = {}
    for life in lives:
        numbers = by_fate.setdefault(life.fate, [])
        if life.place.job_id not in numbers:
            numbers.append(life.place.job_id)
    return [f"{fate} in {_jobs(numbers)}" for fate, numbers in by_fate.items()]


def _jobs(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"job {numbers[0]}"
    shown = [str(number) for number in numbers[:3]]
    if rest := len(numbers) - len(shown):
        return f"jobs {', '.join(shown)} and {rest} more"
    return f"jobs {', '.join(shown[:-1])} and {shown[-1]}"


def _parse(address: Address) -> ItemsArgs:
    before, after = address.optional_number("before"), address.optional_number("after", most=INTEGER_MAX) or 0
    return ItemsArgs(address.text("key"), address.optional_number("job"), before, after if before else 0)


def _address(args: ItemsArgs) -> str:
    return link("/items", key=args.key, job=args.job_id, before=args.before, after=args.after or None)


def _read(conn: Connection, args: ItemsArgs) -> Items:
    if args.key is None:
        return Items(None, [], [], [], has_older=False)
    before = None if args.before is None else ItemCursor(args.before, args.after)
    found = item_lists.items_by_key(conn, args.key, job_id=args.job_id, before=before, limit=_PAGE + 1)
    places = found[:_PAGE]
    crashes = item_lists.item_crashes(conn, places, limit=_CRASHES)
    lives = [Life(_fate(place, crashes), place) for place in places]
    return Items(args.key, summary(lives), lives, crashes, has_older=len(found) > _PAGE)


def _fate(place: ItemPlace, crashes: Iterable[Crash]) -> str:
    if place.status == BatchStatus.COMPLETED:
        return "done"
    if place.status == BatchStatus.CRASHED and any(
        crash.poison and (crash.job_id, crash.ordinal) == (place.job_id, place.ordinal) for crash in crashes
    ):
        return "poison"
    return place.status


ITEMS: Final = Page(
    name="items",
    path="/items",
    parse=_parse,
    address=_address,
    read=_read,
    title=lambda page: "Items" if page.key is None else f"Item {page.key}",
    every_s=2.0,
)
