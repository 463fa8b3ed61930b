"""Handlers that do nothing: what is measured with them is evtrack itself."""

from typing import Any

import evtrack


@evtrack.handler("noop-item")
def each(_item: Any) -> None:
    """Take one item."""


@evtrack.batch_handler("noop")
def whole(_batch: Any) -> None:
    """Take a batch, without reading its items."""
