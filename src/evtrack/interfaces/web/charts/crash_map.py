"""The crash map: how often attempts crashed, by handler and day."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

STEPS_PCT: Final = (0.1, 0.5, 2.0, 5.0)
"""Where a shade begins: below the first it is 1, from the last on it is 5."""


class Attempts(Protocol):
    """The attempts of a handler that ended on a day."""

    @property
    def handler(self) -> str:
        """The handler."""
        ...

    @property
    def day(self) -> date:
        """The day, in UTC."""
        ...

    @property
    def attempts(self) -> int:
        """How many ended."""
        ...

    @property
    def crashed(self) -> int:
        """How many of them crashed."""
        ...


@dataclass(frozen=True, slots=True)
class Cell:
    """A handler's day.

    Args:
        day: The day, in UTC.
        attempts: How many attempts ended.
        crashed: How many of them crashed.
        rate_pct: Crashed attempts in percent; None without attempts, which is not the same as no crash.
        shade: From 0, without a crash, to 5.
    """

    day: date
    attempts: int
    crashed: int
    rate_pct: float | None
    shade: int


@dataclass(frozen=True, slots=True)
class MapRow:
    """A handler's days, and their sums."""

    handler: str
    attempts: int
    crashed: int
    cells: list[Cell]


def crash_grid(found: Iterable[Attempts], days: Sequence[date], *, limit: int) -> list[MapRow]:
    """Arrange attempts as rows of handlers and columns of days.

    Args:
        found: A handler's day each; those without attempts may be missing.
        days: The columns, in their order.
        limit: The most rows.

    Returns:
        The handlers with most crashes first.
    """
    by_handler: dict[str, dict[date, Attempts]] = {}
    for each in found:
        by_handler.setdefault(each.handler, {})[each.day] = each
    grid = []
    for handler, known in by_handler.items():
        cells = [
            _cell(day, known[day].attempts, known[day].crashed) if day in known else _cell(day, 0, 0) for day in days
        ]
        grid.append(MapRow(handler, sum(cell.attempts for cell in cells), sum(cell.crashed for cell in cells), cells))
    grid.sort(key=lambda row: (-row.crashed, -row.attempts, row.handler))
    return grid[:limit]


def rate_of(attempts: int, crashed: int) -> float | None:
    """Return crashed attempts in percent; None without attempts."""
    return 100.0 * crashed / attempts if attempts else None


def shade_of(rate_pct: float | None) -> int:
    """Return how dark a rate is shown.

    Args:
        rate_pct: The rate; None without attempts.

    Returns:
        0 for no crash, else 1 to 5: however rare, a crash is seen.
    """
    return 1 + bisect_right(STEPS_PCT, rate_pct) if rate_pct else 0


def _cell(day: date, attempts: int, crashed: int) -> Cell:
    rate_pct = rate_of(attempts, crashed)
    return Cell(day, attempts, crashed, rate_pct, shade_of(rate_pct))
