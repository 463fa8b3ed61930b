"""The handler of the rows, without the count of its calls; see analysis/budget.py."""

from typing import Any

import evtrack


@evtrack.handler("stamped")
def handle_item(_item: Any) -> None:
    """Do nothing with an item."""
