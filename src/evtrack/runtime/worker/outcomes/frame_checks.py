"""Checks that a slot's frames are consistent: a slot runs user code, so its frames are not trusted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from evtrack.domain.column_types import BIGINT_MAX
from evtrack.runtime.slot.protocol import (
    BatchErrored,
    BatchesDone,
    BatchPartlyDone,
    CommandKilled,
    ItemFailure,
    ItemMark,
    ItemsDone,
)
from evtrack.storage.queue.queue import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.worker.slots.process import SlotProcess


_MOST_S: Final = 1e15
"""The database's bound on run times; a NaN is within no bounds."""


def check_frame(
    slot: SlotProcess, frame: BatchesDone | BatchErrored | BatchPartlyDone | ItemsDone | ItemMark | CommandKilled
) -> None:
    """Check that an outcome or a mark belongs to the batches that the slot holds first.

    Args:
        slot: The slot that sent the frame.

    Raises:
        ValueError: The frame is inconsistent.
    """
    first = frame.first if isinstance(frame, BatchesDone) else frame.seq
    count = len(frame.run_s) if isinstance(frame, BatchesDone) else 1
    if first != slot.first or not 0 < count <= len(slot.held):
        last = first + count - 1
        raise ValueError(f"outcomes of {first} to {last}, but the slot holds {len(slot.held)} from {slot.first} on")
    if isinstance(frame, BatchesDone):
        _check_completed(frame, slot.held)
    elif isinstance(frame, (ItemsDone, ItemMark)):
        _check_progress(frame, slot.held[0])
    else:
        _check_ended(frame, slot.held[0])


def is_duration(seconds: float) -> bool:
    """Return whether a number of seconds can be stored."""
    return 0 <= seconds <= _MOST_S


def _check_ended(frame: BatchErrored | BatchPartlyDone | CommandKilled, batch: ClaimedBatch) -> None:
    _check_run_s([frame.run_s])
    if isinstance(frame, BatchPartlyDone):
        _check_failures(frame.failures, batch)
        _check_lines(frame.results, batch.item_count - len(frame.failures))
    elif isinstance(frame, BatchErrored):
        _check_failures(frame.items, batch)
    else:
        _check_usage(frame.peak_rss_bytes, frame.cpu_s)
        if not (0 < abs(frame.signal) < signal.NSIG and 0 <= frame.pid <= BIGINT_MAX):
            raise ValueError(f"signal {frame.signal} of process {frame.pid}")


def _check_progress(frame: ItemsDone | ItemMark, batch: ClaimedBatch) -> None:
    if isinstance(frame, ItemsDone):
        _check_items_done(frame, batch.item_count)
    else:
        _check_mark(frame, batch)


def _check_completed(frame: BatchesDone, held: Iterable[ClaimedBatch]) -> None:
    count = len(frame.run_s)
    _check_run_s(frame.run_s)
    if frame.results is not None:
        if len(frame.results) != count:
            raise ValueError(f"{len(frame.results)} results for {count} batches")
        for batch, lines in zip(held, frame.results, strict=False):
            _check_lines(lines, batch.item_count)
    for place, peak_rss_bytes, cpu_s in frame.usage:
        if not 0 <= place < count:
            raise ValueError(f"memory and CPU time of batch {place} of {count}")
        _check_usage(peak_rss_bytes, cpu_s)


def _check_run_s(run_s: Sequence[float]) -> None:
    if not all(map(is_duration, run_s)):
        raise ValueError(f"run times {run_s[:10]}")


def _check_usage(peak_rss_bytes: int, cpu_s: float) -> None:
    if not (0 <= peak_rss_bytes <= BIGINT_MAX and is_duration(cpu_s)):
        raise ValueError(f"peak memory {peak_rss_bytes} and CPU time {cpu_s}")


def is_result_line(line: bytes) -> bool:
    """Return whether a result can be stored.

    Args:
        line: A line of JSON.

    Returns:
        Whether it is one line of text that the database accepts.
    """
    return are_result_lines(line, 1)


def are_result_lines(lines: bytes, count: int) -> bool:
    """Return whether results can be stored.

    Args:
        lines: A line of JSON for each item.
        count: How many items there are.

    Returns:
        Whether it is so many lines of text that the database accepts.
    """
    try:
        _check_lines(lines, count)
    except ValueError:
        return False
    return True


def _check_items_done(frame: ItemsDone, count: int) -> None:
    if len(frame.indexes) != len(frame.lines) or not all(0 <= index < count for index in frame.indexes):
        raise ValueError(f"{len(frame.lines)} results for the items {frame.indexes[:10]} of {count}")
    for line in frame.lines:
        _check_lines(line, 1)


def _check_mark(frame: ItemMark, batch: ClaimedBatch) -> None:
    indexes = [index for index in (frame.done, frame.begins) if index is not None]
    is_in_batch = all(0 <= index < batch.item_count for index in indexes)
    if not (batch.is_suspect and is_in_batch and 0 < frame.number <= BIGINT_MAX):
        raise ValueError(f"mark {frame.number} of the items {indexes} of {batch.item_count}")
    _check_lines(frame.line, 1)


def _check_lines(lines: bytes | None, count: int) -> None:
    if lines is None:
        return
    found = lines.count(b"\n") + 1
    if found != count:
        raise ValueError(f"{found} result lines for {count} items")
    if SEPARATOR in lines or b"\0" in lines:
        raise ValueError("a result holds control characters, so it is not JSON")
    lines.decode()


def _check_failures(failures: Sequence[ItemFailure], batch: ClaimedBatch) -> None:
    indexes = [failure.index for failure in failures]
    if indexes != sorted(set(indexes)) or (indexes and not 0 <= indexes[0] <= indexes[-1] < batch.item_count):
        raise ValueError(f"failed items {indexes[:10]} of {batch.item_count}")
