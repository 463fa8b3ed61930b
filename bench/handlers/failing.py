"""A handler that raises an error for the items that ask for it; see rows/failures.py."""

from functools import cache
from typing import Any

from support.stamps import Stamps

import evtrack


@evtrack.handler("failing")
def handle_item(item: dict[str, Any]) -> None:
    """Note the call, and do nothing with the item, or fail."""
    _stamps().call()
    if item["bad"]:
        raise ValueError("bad item")


@cache
def _stamps() -> Stamps:
    return Stamps.opened()
