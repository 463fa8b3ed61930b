"""Reports of single items, by key and ordinal instead of their index in the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.ordinals import Ordinals
from evtrack.domain.text import storable
from evtrack.runtime.slot.failures import MESSAGE_BOUND, TRACEBACK_BOUND
from evtrack.runtime.worker.outcomes.frame_checks import is_result_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchErrored, ItemFailure

ITEMS_NAMED: Final = 1000
"""How many failed items of one batch its event names."""


def completed_items(batch: ClaimedBatch, results: Mapping[int, bytes]) -> tuple[str | None, bytes | None]:
    """Report which items of a crashed batch are completed, and their results.

    Args:
        results: Results by item index. A slot is not trusted: an inconsistent entry counts as not completed.

    Returns:
        The items' ordinals as a multirange, and their result lines in that order; None for nothing.
    """
    ordinals = batch.ordinal_list()
    indexes = sorted(index for index, line in results.items() if index < len(ordinals) and is_result_line(line))
    if not indexes:
        return None, None
    lines = [results[index] for index in indexes]
    return str(Ordinals.of(ordinals[index] for index in indexes)), b"\n".join(lines) if any(lines) else None


def batch_error(batch: ClaimedBatch, frame: BatchErrored) -> dict[str, Any]:
    """Report why a batch failed.

    Args:
        frame: The slot's report.

    Returns:
        The error for its event. Texts are made storable again: a slot is not trusted.
    """
    error: dict[str, Any] = {
        "type": storable(frame.type, MESSAGE_BOUND),
        "message": storable(frame.message, MESSAGE_BOUND),
        "traceback": storable(frame.traceback, TRACEBACK_BOUND, keep_end=True),
    }
    if frame.items:
        error["items"] = item_errors(batch, frame.items)
    return error


def item_errors(batch: ClaimedBatch, failures: Sequence[ItemFailure]) -> list[dict[str, Any]]:
    """Report which items failed, and why.

    Args:
        batch: Their batch.
        failures: The slot's report.

    Returns:
        An error for each item, for a bounded number of items.
    """
    keys = batch.item_keys.decode("utf-8", "replace").split("\n")
    ordinals = batch.ordinal_list()
    errors = []
    for failure in failures[:ITEMS_NAMED]:
        error: dict[str, Any] = {
            "ordinal": ordinals[failure.index],
            "key": storable(keys[failure.index], MESSAGE_BOUND),
            "type": storable(failure.type, MESSAGE_BOUND),
            "message": storable(failure.message, MESSAGE_BOUND),
        }
        if failure.traceback:
            error["traceback"] = storable(failure.traceback, TRACEBACK_BOUND, keep_end=True)
        errors.append(error)
    return errors


def failed_ordinals(batch: ClaimedBatch, failures: Sequence[ItemFailure]) -> str:
    """Return the ordinals of all failed items.

    Args:
        batch: Their batch.
        failures: The slot's report.

    Returns:
        The ordinals, as PostgreSQL writes a multirange.
    """
    ordinals = batch.ordinal_list()
    return str(Ordinals.of(ordinals[failure.index] for failure in failures))
