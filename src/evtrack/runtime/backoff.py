"""How long to wait before something that failed is tried again."""

import random
from typing import Final

_DOUBLINGS: Final = 30
"""More would make no pause longer, and in the end overflow."""


def backoff_s(failures: int, *, first_s: float, longest_s: float) -> float:
    """Choose a pause: doubled with each failure up to a bound, and up to a half less, so that many do not meet.

    Args:
        failures: How often it has failed in a row, from 1.
        first_s: The pause after the first failure.
        longest_s: The bound.

    Returns:
        Seconds.
    """
    return min(longest_s, first_s * 2.0 ** min(failures - 1, _DOUBLINGS)) * (0.5 + random.random() / 2)  # noqa: S311  jitter
