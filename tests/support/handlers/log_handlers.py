"""A handler that logs facts that are hard to log."""

import math
import sys
from typing import Any

import evtrack

sys.setrecursionlimit(20_000)


class _Broken:
    def __repr__(self) -> str:
        raise ValueError("no")


def _nested(depth: int) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = [value]
    return value


FACTS: dict[str, Any] = {
    "deep": {"tree": _nested(980)},
    "long": {"numbers": list(range(1_000_000))},
    "huge": {"n": 10**5000},
    "nan": {"score": math.nan, "inf": math.inf},
    "surrogate": {"text": "a\ud800b"},
    "broken": {"odd": _Broken()},
    "reserved": {"event": "e", "level": "l", "timestamp": "t"},
}


@evtrack.handler("logs")
def logs(item: dict[str, Any], ctx: Any) -> None:
    """Log what the item names."""
    ctx.log.info("parsed", **FACTS[item["name"]])
