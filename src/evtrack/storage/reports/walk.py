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
        looked_from: The first key that was looked at, if it did not look at all that there is.
        looked_to: The last of them.
    """

    rows: list[Row]
    next: int | None = None
    looked_from: int | None = None
    looked_to: int | None = None


def walked(
    found: Sequence[Row],
    limit: int,
    key: Callable[[Row], int],
    begun: int | None = None,
    end: Callable[[], int | None] = lambda: None,
) -> Walk[Row]:
    """Make a page of rows that were read with one more than the page takes.

    Args:
        found: At most `limit` + 1 rows.
        limit: How many the page takes.
        key: A row's place in the order.
        begun: Where the walk began; None for the beginning.
        end: Where the walk ended, if it did not reach the end of the list; asked only if the page is not full.
    """
    shown = list(found[:limit])
    if len(found) > limit:
        return Walk(shown, key(shown[-1]))
    last = end()
    return Walk(shown) if last is None else Walk(shown, last, begun, last)
