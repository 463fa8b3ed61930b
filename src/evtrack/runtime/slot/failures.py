"""Describes the exceptions of user code: bounded, without NUL, without evtrack's own stack frames."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evtrack.domain.text import storable
from evtrack.runtime.slot.protocol import BatchErrored, ItemFailure

if TYPE_CHECKING:
    from types import TracebackType

MESSAGE_BOUND: Final = 2_000
TRACEBACK_BOUND: Final = 4_000
ITEMS_WITH_TRACEBACK: Final = 20
"""How many failed items of a batch are reported with their traceback; the others have type and message only."""

_OWN_DIRECTORY: Final = str(Path(__file__).parent)


class PartialFailure(Exception):
    """Some items of a batch failed.

    Args:
        lines: A result line for each completed item, empty for an item without a result.
        failures: The failed items.
        interrupted: Whether one of them raised KeyboardInterrupt.
    """

    def __init__(self, lines: list[bytes], failures: list[ItemFailure], *, interrupted: bool = False) -> None:
        super().__init__(f"{len(failures)} of {len(lines) + len(failures)} items failed")
        self.lines = lines
        self.failures = failures
        self.interrupted = interrupted


class CommandFailed(Exception):
    """A command ended with a non-zero exit code, or broke the rules for its output."""


def item_failure(index: int, error: BaseException, *, with_traceback: bool) -> ItemFailure:
    """Describe the exception that an item's handler raised.

    Args:
        index: The item's index in the batch, from 0.
        error: The exception.
        with_traceback: Whether to include the traceback.

    Returns:
        The description.
    """
    trace = _trace(error) if with_traceback else ""
    return ItemFailure(index, type(error).__qualname__, storable(_message(error), MESSAGE_BOUND), trace)


def batch_failure(seq: int, run_s: float, error: BaseException, *, interrupted: bool = False) -> BatchErrored:
    """Describe the failure of a whole batch.

    Args:
        seq: The batch's sequence number in the slot's life.
        run_s: Its run time.
        error: The exception that its handler raised, or the failures of all its items.
        interrupted: Whether a signal arrived that asks a whole service to stop.

    Returns:
        The frame to send.
    """
    if isinstance(error, PartialFailure):
        first = error.failures[0]
        count = len(error.failures)
        message = first.message if count == 1 else f"{first.message} (and {count - 1} more of {count} items)"
        return BatchErrored(seq, run_s, first.type, message, first.traceback, error.failures, interrupted)
    trace = "" if isinstance(error, CommandFailed) else _trace(error)
    message = storable(_message(error), MESSAGE_BOUND)
    return BatchErrored(seq, run_s, type(error).__qualname__, message, trace, [], interrupted)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001  __str__ is user code too
        return f"<no message: __str__ raised {type(worse).__qualname__}>"


def _trace(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(type(error), error, _user_frames(error.__traceback__))
    except Exception:  # noqa: BLE001  formatting calls __str__ and reads sources
        return ""
    return storable("".join(lines), TRACEBACK_BOUND, keep_end=True)


def _user_frames(step: TracebackType | None) -> TracebackType | None:
    while step is not None and step.tb_frame.f_code.co_filename.startswith(_OWN_DIRECTORY):
        step = step.tb_next
    return step
