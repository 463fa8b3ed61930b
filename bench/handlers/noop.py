"""Handlers that do nothing, so that a benchmark measures evtrack itself."""

from typing import Any

import evtrack


@evtrack.handler("noop-item")
def handle_item(_item: Any) -> None:
    """Do nothing with an item."""


@evtrack.batch_handler("noop")
def handle_batch(_batch: Any) -> None:
    """Do nothing with a batch, without reading its items."""
