"""Whether what a slot says makes sense: it runs foreign code, and is believed nothing else than what fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evtrack.runtime.slot.protocol import (
    BatchErrored,
    BatchesDone,
    BatchPartlyDone,
    CommandKilled,
    ItemFailure,
    ItemsDone,
)
from evtrack.storage.queue.queue import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.worker.slots.process import SlotProcess


def check_frame(
    slot: SlotProcess, frame: BatchesDone | BatchErrored | BatchPartlyDone | ItemsDone | CommandKilled
) -> None:
    """Make sure that an outcome is one of what the slot was given next.

    Args:
        slot: Who says it.
        frame: What it says.

    Raises:
        ValueError: It does not fit.
    """
    first = frame.first if isinstance(frame, BatchesDone) else frame.seq
    count = len(frame.run_s) if isinstance(frame, BatchesDone) else 1
    if first != slot.first or not 0 < count <= len(slot.held):
        raise ValueError(f"outcomes {first} to {first + count - 1}, held are {len(slot.held)} from {slot.first}")
    if isinstance(frame, BatchesDone):
        if frame.results is not None:
            if len(frame.results) != count:
                raise ValueError(f"{len(frame.results)} results for {count} batches")
            for row, lines in zip(slot.held, frame.results, strict=False):
                _check_lines(lines, row.item_count)
    elif isinstance(frame, BatchPartlyDone):
        _check_failures(frame.failures, slot.held[0])
        _check_lines(frame.results, slot.held[0].item_count - len(frame.failures))
    elif isinstance(frame, BatchErrored):
        _check_failures(frame.items, slot.held[0])
    elif isinstance(frame, ItemsDone):
        _check_progress(frame, slot.held[0].item_count)


def fits(line: bytes) -> bool:
    """Tell whether a result may be stored.

    Args:
        line: A line of JSON.

    Returns:
        Whether it is one line, of text that the database takes.
    """
    try:
        _check_lines(line, 1)
    except ValueError:
        return False
    return True


def _check_progress(frame: ItemsDone, count: int) -> None:
    if len(frame.places) != len(frame.lines) or not all(0 <= place < count for place in frame.places):
        raise ValueError(f"{len(frame.lines)} results for the places {frame.places[:10]} of {count}")
    for line in frame.lines:
        _check_lines(line, 1)


def _check_lines(lines: bytes | None, count: int) -> None:
    if lines is None:
        return
    found = lines.count(b"\n") + 1
    if found != count:
        raise ValueError(f"{found} result lines for {count} items")
    if SEPARATOR in lines or b"\0" in lines:
        raise ValueError("a result holds control characters, so it is no JSON")
    lines.decode()


def _check_failures(failures: Sequence[ItemFailure], row: ClaimedBatch) -> None:
    indexes = [failure.index for failure in failures]
    if indexes != sorted(set(indexes)) or (indexes and not 0 <= indexes[0] <= indexes[-1] < row.item_count):
        raise ValueError(f"failed items {indexes[:10]} of {row.item_count}")
