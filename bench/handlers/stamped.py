"""The handler whose calls are counted and timed; it does nothing else, as those of the peers."""

from functools import cache
from typing import Any

from support.stamps import Stamps

import evtrack


@evtrack.handler("stamped")
def handle_item(item: dict[str, Any]) -> None:
    """Note the call."""
    _stamps().call(item["i"])


@cache
def _stamps() -> Stamps:
    return Stamps.opened()  # by the slot's own process, at its first item
