"""A handler that raises an error for the items that ask for it; see partial_failures.py."""

from typing import Any

import evtrack


@evtrack.handler("failing")
def handle_item(item: dict[str, Any]) -> None:
    """Do nothing with an item, or fail."""
    if item["bad"]:
        raise ValueError("bad item")
