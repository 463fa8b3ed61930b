"""Parse option values: numbers in a range, sizes, times, lists and paths."""

import math
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from evtrack.config import LONGEST_PAUSE_S, LONGEST_S
from evtrack.domain.column_types import BIGINT_MAX, INTEGER_MAX
from evtrack.domain.text import quoted
from evtrack.domain.time_spans import span_seconds

MOST_ATTEMPTS: Final = 9999
"""The largest count that a job's policy takes."""

_MOST_BYTES: Final = 10**15
"""The largest --max-rss that a job's policy takes."""

_LONGEST_WINDOW_S: Final = 365_000 * 86_400
"""Counted back from now, more would lead before the first year of the calendar."""

_SIZE: Final = re.compile(r"([0-9.]+)\s*(?:([kmgt])(i?b)?|b)", re.IGNORECASE)
_PREFIXES: Final = "kmgt"


class Number(click.ParamType[float]):
    """A number in a range.

    Args:
        least: The lower end.
        most: The upper end.
        metavar: What --help calls the number.
        above: Whether the lower end itself is excluded.
    """

    def __init__(self, least: float, most: float, metavar: str, *, above: bool = False) -> None:
        self.name = metavar
        self._least, self._most, self._above = least, most, above

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse the number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        # NaN is in no range.
        if not (self._least < number or (number == self._least and not self._above)) or not number <= self._most:
            lower = f"above {self._least} and at most" if self._above else f"from {self._least} to"
            self.fail(f"{quoted(value)} is not a number {lower} {self._most}.", param, ctx)
        return number


class Integer(click.ParamType[int]):
    """An integer in a range.

    Args:
        least: The lower end.
        most: The upper end.
        metavar: What --help calls the number.
    """

    def __init__(self, least: int, most: int, metavar: str = "INTEGER") -> None:
        self.name = metavar
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the integer."""
        try:
            number = int(value)
        except ValueError:
            number = self.least - 1
        if not self.least <= number <= self.most:
            self.fail(f"{quoted(value)} is not an integer from {self.least} to {self.most}.", param, ctx)
        return number


SECONDS = Number(0, LONGEST_S, "SECONDS")
"""A time that may be 0."""

POSITIVE_SECONDS = Number(0, LONGEST_S, "SECONDS", above=True)
"""A time above 0."""

PAUSE = Number(0, LONGEST_PAUSE_S, "SECONDS", above=True)
"""A time between two polls."""

PERCENT = Number(0, 100, "PERCENT")
"""A percentage."""

JOB_ID = Integer(1, BIGINT_MAX, "JOB")
"""A job's number."""

BATCH_NO = Integer(1, INTEGER_MAX, "BATCH")
"""A batch's number."""

WORKER_ID = Integer(1, BIGINT_MAX, "WORKER")
"""A worker's number."""

LIMIT = Integer(1, INTEGER_MAX)
"""The most rows to show."""

COUNT = Integer(0, BIGINT_MAX)
"""A count that may be 0."""

POSITIVE_COUNT = Integer(1, BIGINT_MAX)
"""A count of at least 1."""

ATTEMPTS = Integer(0, MOST_ATTEMPTS)
"""A count in a job's policy."""


class Memory(click.ParamType[int]):
    """An amount of memory, a number of MiB or with a unit, which the command gets in bytes; none is 0.

    Args:
        zero: Whether 0 is allowed, and means none.
    """

    name = "SIZE"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the amount."""
        text = str(value).strip()
        if text == "none" or (self._zero and text == "0"):
            return 0
        try:
            found = _SIZE.fullmatch(text)
            count = int(float(text) * (1 << 20) if found is None else float(found[1]) * _unit_bytes(found[2], found[3]))
        except (ValueError, OverflowError):
            self.fail(f"{quoted(value)} is not a number of MiB, nor a size such as 512MiB or 2GiB.", param, ctx)
        if count < 1:
            self.fail(f"must be at least 1 byte, not {quoted(value)}.", param, ctx)
        if count > _MOST_BYTES:
            self.fail(f"must be at most {_MOST_BYTES >> 20} MiB, not {quoted(value)}.", param, ctx)
        return count


class MemoryPair(click.ParamType[tuple[int, int]]):
    """One or two amounts of memory, which the command gets in bytes; the second is at least the first."""

    name = "SIZE[,SIZE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Parse the amounts; without a second one it is that of the first."""
        if isinstance(value, tuple):
            return value
        first, comma, second = str(value).partition(",")
        least = Memory().convert(first, param, ctx)
        most = Memory().convert(second, param, ctx) if comma else least
        if comma and (not least or most < least):
            self.fail(f"{quoted(value)} needs a second size that is not below the first.", param, ctx)
        return least, most


def _unit_bytes(prefix: str | None, suffix: str | None) -> int:
    # As Docker and Kubernetes have it: M and MiB count in powers of 2, MB in powers of 10.
    power = _PREFIXES.index(prefix.lower()) + 1 if prefix else 0
    return int(1000**power if (suffix or "").lower() == "b" else 1024**power)


class TimeWindow(click.ParamType[float]):
    """A span of time such as 90s, 30m, 24h or 7d, which the command gets in seconds."""

    name = "WINDOW"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse the span."""
        if isinstance(value, int | float):
            return value
        seconds = span_seconds(value)
        if seconds is None:
            self.fail(f"{quoted(value)} is not a time span; use a form like 90s, 30m, 24h or 7d.", param, ctx)
        if seconds > _LONGEST_WINDOW_S:
            self.fail(f"{quoted(value)} must be at most {_LONGEST_WINDOW_S // 86_400}d.", param, ctx)
        return seconds


class Timestamp(click.ParamType[datetime]):
    """A time such as 2025-10-06 08:29:03+00; without an offset it is in UTC."""

    name = "TIME"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse the time."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{quoted(value)} is not a time; use a form like 2025-10-06 08:29:03+00.", param, ctx)
        try:
            return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
        except OverflowError:
            self.fail(f"{quoted(value)} must be between 0001-01-01 00:00:00+00 and 9999-12-31 23:59:59+00.", param, ctx)


class FieldNames(click.ParamType[tuple[str, ...]]):
    """Names of fields, separated by commas."""

    name = "FIELD[,FIELD...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse the names."""
        if isinstance(value, tuple):
            return value
        fields = tuple(field.strip() for field in value.split(","))
        if not all(fields):
            self.fail(f"{quoted(value)} has an empty field name.", param, ctx)
        return fields


class Words(click.ParamType[list[str] | None]):
    """Some of a few known words, separated by commas.

    Args:
        metavar: What --help calls one of them.
        known: The words.
    """

    def __init__(self, metavar: str, known: Iterable[str]) -> None:
        self.name = f"{metavar}[,{metavar}...]"
        self._known = [str(word) for word in known]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str] | None:
        """Parse the words; without any, return None."""
        words = value if isinstance(value, list) else [word.strip() for word in value.split(",") if word.strip()]
        for word in words:
            if word not in self._known:
                self.fail(f"{quoted(word)} is not one of {', '.join(self._known)}.", param, ctx)
        return words or None


class Directory(click.Path):
    """A directory. An empty name, which an unset shell variable leaves, is rejected: it would mean the current one."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the path."""
        if not os.fspath(value):
            self.fail("The directory name is empty; use . for the current directory.", param, ctx)
        return super().convert(value, param, ctx)


class OutputFile(click.Path):
    """A file to write to, or - for standard output."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the path."""
        if not os.fspath(value):
            self.fail("The file name is empty; use - for standard output.", param, ctx)
        return super().convert(value, param, ctx)
