"""What is told of failed items, in the words of a job: keys and ordinals instead of places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.ordinals import Ordinals
from evtrack.domain.text import storable
from evtrack.runtime.slot.failures import MESSAGE_BOUND, TRACEBACK_BOUND
from evtrack.runtime.worker.outcomes.frame_checks import fits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchErrored, ItemFailure

ITEMS_TOLD: Final = 1000
"""Failed items of one batch that its event names."""


def done_items(row: ClaimedBatch, notes: Mapping[int, bytes]) -> tuple[str | None, bytes | None]:
    """Tell which items of a batch are done, and what came of them.

    Args:
        row: The batch.
        notes: Results by place; a slot is not trusted, and what does not fit counts as not done.

    Returns:
        Their ordinals as a multirange and their result lines in that order; None for nothing.
    """
    ordinals = row.ordinal_list()
    places = sorted(place for place, line in notes.items() if place < len(ordinals) and fits(line))
    if not places:
        return None, None
    lines = [notes[place] for place in places]
    return str(Ordinals.of(ordinals[place] for place in places)), b"\n".join(lines) if any(lines) else None


def batch_error(row: ClaimedBatch, frame: BatchErrored) -> dict[str, Any]:
    """Tell why a batch failed.

    Args:
        row: The batch.
        frame: What the slot says.

    Returns:
        The error for its event. Texts are cleaned once more: a slot is not trusted.
    """
    error: dict[str, Any] = {
        "type": storable(frame.type, MESSAGE_BOUND),
        "message": storable(frame.message, MESSAGE_BOUND),
        "traceback": storable(frame.traceback, TRACEBACK_BOUND, keep_end=True),
    }
    if frame.items:
        error["items"] = item_errors(row, frame.items)
    return error


def item_errors(row: ClaimedBatch, failures: Sequence[ItemFailure]) -> list[dict[str, Any]]:
    """Tell which items failed, and why.

    Args:
        row: Their batch.
        failures: What the slot says.

    Returns:
        An error each, for a bounded number of items.
    """
    keys = row.item_keys.decode("utf-8", "replace").split("\n")
    ordinals = row.ordinal_list()
    told = []
    for failure in failures[:ITEMS_TOLD]:
        item: dict[str, Any] = {
            "ordinal": ordinals[failure.index],
            "key": storable(keys[failure.index], MESSAGE_BOUND),
            "type": storable(failure.type, MESSAGE_BOUND),
            "message": storable(failure.message, MESSAGE_BOUND),
        }
        if failure.traceback:
            item["traceback"] = storable(failure.traceback, TRACEBACK_BOUND, keep_end=True)
        told.append(item)
    return told


def failed_ordinals(row: ClaimedBatch, failures: Sequence[ItemFailure]) -> str:
    """Name all failed items as a multirange.

    Args:
        row: Their batch.
        failures: What the slot says.

    Returns:
        Their ordinals, as PostgreSQL reads them.
    """
    ordinals = row.ordinal_list()
    return str(Ordinals.of(ordinals[failure.index] for failure in failures))
