"""Rests between stretches of work, so that those who work on the same machine or server hardly notice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STRETCH: Final = 2_000
REST: Final = 5.0
LONGEST_REST_S: Final = 0.4


def unhurried(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Rest after each stretch five times as long as it took.

    The server waits meanwhile. It may be on another machine, where a low priority here helps nobody. On a busy machine
    a stretch takes long because others are at work; so a rest has a bound, and with it the time that a day takes.

    Args:
        lines: What is worked on between two of them.

    Yields:
        The same lines.
    """
    begun = time.monotonic()
    for count, line in enumerate(lines, 1):
        yield line
        if count % STRETCH == 0:
            time.sleep(min(LONGEST_REST_S, REST * (time.monotonic() - begun)))
            begun = time.monotonic()
