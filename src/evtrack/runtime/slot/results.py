"""What a batch came to: a line of JSON for each item."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evtrack.domain.claimed_batch import ClaimedBatch


Runner = Callable[["ClaimedBatch"], "bytes | None"]
"""Runs a batch: returns lines of JSON or None; raises Partial, or anything else for a batch that failed."""


def joined(lines: list[bytes]) -> bytes | None:
    """Join the results of a batch.

    Args:
        lines: A line of JSON for each item, empty where there is none.

    Returns:
        The lines, or None when all are empty.
    """
    return b"\n".join(lines) if any(lines) else None
