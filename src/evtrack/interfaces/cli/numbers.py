"""The numbers that options take: no NaN, no infinity, and none that a database or a clock could not take."""

import math
from typing import Any, Final

import click

LONGEST_S: Final = 1_000_000_000
"""Thirty years and more: what is counted from now stays in every calendar, and reap takes up to a hundred."""

LONGEST_PAUSE_S: Final = 86_400
"""What a process waits for in one piece; system calls count milliseconds, and not many of them."""

MOST: Final = 2**63 - 1
"""What a bigint holds."""

MOST_ATTEMPTS: Final = 9999
"""What a policy takes of a count."""


class Number(click.FloatRange):
    """A number in a range; not a number, which compares with nothing, is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn the text into a number."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            least = f"above {self.min}" if self.min_open else f"from {self.min}"
            self.fail(f"{value} is no number; write one {least} to {self.max}.", param, ctx)
        return number


SECONDS = Number(0, LONGEST_S)
"""A time that may be none."""

SOME_SECONDS = Number(0, LONGEST_S, min_open=True)
"""A time."""

PAUSE = Number(0, LONGEST_PAUSE_S, min_open=True)
"""A time between two looks."""

PERCENT = Number(0, 100)
"""A percentage."""
