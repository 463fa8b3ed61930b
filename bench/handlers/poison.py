"""Handlers that segfault on the items that ask for it; see operations/poison.py."""

import ctypes
import time
from typing import Any

import evtrack

_WORK_S = 0.001


@evtrack.handler("items")
def handle_item(item: dict[str, Any]) -> None:
    """Work on an item."""
    _work(item)


@evtrack.batch_handler("batches")
def handle_batch(batch: Any) -> None:
    """Work on the items of a batch."""
    for item in batch.items:
        _work(item)


def _work(item: dict[str, Any]) -> None:
    time.sleep(_WORK_S)
    if item["die"]:
        ctypes.string_at(0)
