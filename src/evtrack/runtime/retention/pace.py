"""Rests between stretches of work, so that those who work on the same machine or server hardly notice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STRETCH: Final = 2_000
REST: Final = 5.0
LONGEST_REST_S: Final = 0.4

_T = TypeVar("_T")


def unhurried(items: Iterable[_T], stretch: int = STRETCH) -> Iterator[_T]:
    """Rest after each stretch five times as long as it took.

    The server waits meanwhile. It may be on another machine, where a low priority here helps nobody. On a busy machine
    a stretch takes long because others are at work; so a rest has a bound, and with it the time that a day takes.

    Args:
        items: What is read and worked on one by one.
        stretch: After how many of them to rest.

    Yields:
        The same items.
    """
    begun = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        if count % stretch == 0:
            time.sleep(min(LONGEST_REST_S, REST * (time.monotonic() - begun)))
            begun = time.monotonic()
