"""The numbers that options take: no NaN, no infinity, and none that a database or a clock could not take."""

import math
from typing import Any, Final

import click

from evtrack.config import LONGEST_PAUSE_S, LONGEST_S

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
