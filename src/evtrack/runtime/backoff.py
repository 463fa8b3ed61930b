"""How long to wait before retrying what failed."""

import random
from typing import Final

_DOUBLINGS: Final = 30
"""More would not lengthen any pause, and would overflow in the end."""


def backoff_s(failures: int, *, first_s: float, longest_s: float) -> float:
    """Choose a pause: doubled with each failure up to a bound, minus a jitter of up to a half.

    Args:
        failures: How often it has failed in a row, from 1.
        first_s: The pause after the first failure.
        longest_s: The bound.

    Returns:
        Seconds.
    """
    return min(longest_s, first_s * 2.0 ** min(failures - 1, _DOUBLINGS)) * (0.5 + random.random() / 2)  # noqa: S311  jitter
