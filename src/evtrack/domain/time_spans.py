"""Spans of time as users write them."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def span_seconds(text: str) -> float | None:
    """Read a span such as 90s, 30m, 24h or 7d.

    Returns:
        Its seconds; None if the text is not a span.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", text.strip())
    return float(found[1]) * _UNITS[found[2]] if found else None
