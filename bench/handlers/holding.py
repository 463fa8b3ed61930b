"""A handler that never returns at its first call; see rows/fleet.py."""

import time
from typing import Any

from support.stamps import Stamps

import evtrack


@evtrack.handler("holding")
def handle_item(_item: Any) -> None:
    """Hold the batch at the first call, and return at the second; both have a stamp."""
    stamps = Stamps.opened()
    if stamps.of(0) is not None:
        stamps.call(1)
        return
    stamps.call(0)
    while True:
        time.sleep(60)
