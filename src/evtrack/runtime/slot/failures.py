"""Describes the exceptions of user code: bounded, without NUL, without evtrack's own stack frames."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evtrack.domain.text import storable
from evtrack.runtime.slot.protocol import BatchErrored, ItemFailure

if TYPE_CHECKING:
    from types import CodeType, TracebackType

MESSAGE_BOUND: Final = 2_000
TRACEBACK_BOUND: Final = 4_000
ITEMS_WITH_TRACEBACK: Final = 20
"""How many failed items of a batch are reported with their traceback; the others have type and message only."""

_OWN_DIRECTORY: Final = str(Path(__file__).parent)

_PLACES: Final = 256
_FRAMES: Final = 64
_SPECIAL: Final = (BaseExceptionGroup, NameError, AttributeError, ImportError, SyntaxError)
"""Exceptions that are formatted with more than their frames, such as suggestions of other names."""

_heads: Final[dict[tuple[int, ...], tuple[str, list[CodeType]]]] = {}
"""The formatted frames of exceptions by place, with the code, which keeps its identity while it is here."""


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
    """A command ended with a non-zero exit code, or broke the rules for its output.

    Args:
        reason: What was wrong.
        exit_code: Its exit code, if that was the reason.
    """

    def __init__(self, reason: str, *, exit_code: int = 0) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


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
        return storable(_format(error, _user_frames(error.__traceback__)), TRACEBACK_BOUND, keep_end=True)
    except Exception:  # noqa: BLE001  formatting calls __str__ and reads sources
        return ""


def _format(error: BaseException, step: TracebackType | None) -> str:
    """Format an exception as `traceback` does, which takes longer than all else that is done for a failure.

    Items fail at the same places again and again, so the frames are formatted once for each place.
    """
    codes, place = _place(error, step)
    known = _heads.get(place) if place else None
    if known is not None:
        return known[0] + "".join(traceback.format_exception_only(type(error), error))
    text = "".join(traceback.format_exception(type(error), error, step))
    if place:
        last = "".join(traceback.format_exception_only(type(error), error))
        if text.endswith(last):
            if len(_heads) >= _PLACES:
                _heads.clear()
            _heads[place] = text[: len(text) - len(last)], codes
    return text


def _place(error: BaseException, step: TracebackType | None) -> tuple[list[CodeType], tuple[int, ...]]:
    """Return what the formatted frames depend on: code, and instructions in it. Nothing if there is more to format."""
    has_other = error.__cause__ is not None or (error.__context__ is not None and not error.__suppress_context__)
    codes: list[CodeType] = []
    place: list[int] = []
    while step is not None and len(codes) < _FRAMES:
        code = step.tb_frame.f_code
        codes.append(code)
        # By identity: equal code may come from different files.
        place += (id(code), step.tb_lasti)
        step = step.tb_next
    return codes, () if step is not None or has_other or isinstance(error, _SPECIAL) else tuple(place)


def _user_frames(step: TracebackType | None) -> TracebackType | None:
    while step is not None and step.tb_frame.f_code.co_filename.startswith(_OWN_DIRECTORY):
        step = step.tb_next
    return step
