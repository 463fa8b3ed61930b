"""A page of a list that is read in the order of a key, and where the next page begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Walk(Generic[Row]):
    """A page of rows.

    Args:
        rows: The rows.
        next: The key to go on from; None when there is nothing more.
        looked_from: The first key that was looked at, if only some of the rows looked at are wanted ones.
        looked_to: The last of them.
    """

    rows: list[Row]
    next: int | None = None
    looked_from: int | None = None
    looked_to: int | None = None


def page_of(rows: Sequence[Row], limit: int, key: Callable[[Row], int]) -> Walk[Row]:
    """Make a page of rows that were read with one more than the page takes.

    Args:
        rows: At most `limit` + 1 rows.
        limit: How many the page takes.
        key: A row's place in the order.

    Returns:
        The page.
    """
    shown = list(rows[:limit])
    return Walk(shown, key(shown[-1]) if len(rows) > limit else None)
