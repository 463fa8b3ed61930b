"""Calls each kind of handler with a batch, and collects its results."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from evtrack.runtime.slot.batch import Batch, Context
from evtrack.runtime.slot.command import CommandDied, command_runner
from evtrack.runtime.slot.failures import ITEMS_WITH_TRACEBACK, CommandFailed, PartialFailure, item_failure
from evtrack.runtime.slot.handlers import Handler, HandlerKind
from evtrack.runtime.slot.lifetime import STOP_SIGNALS, await_stop_signal, has_stop_signal_since
from evtrack.runtime.slot.protocol import ItemsDone, join_results

if TYPE_CHECKING:
    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.permits import Permits
    from evtrack.runtime.slot.protocol import ItemFailure
    from evtrack.runtime.slot.shared_page import SharedPage

Runner = Callable[["ClaimedBatch"], "bytes | None"]
"""Runs a batch and returns its result lines, if any. Raises PartialFailure when items failed, or any other exception
when the batch failed as a whole."""

_decode = msgspec.json.decode
_encode = msgspec.json.encode


def make_runner(handler: Handler, page: SharedPage, send: Callable[[ItemsDone], None], permits: Permits) -> Runner:
    """Make the function that calls a handler with a batch.

    Args:
        page: Where the current item and completed items are recorded.
        send: Sends completed items when the page is full.
        permits: Asked before an item of a suspect begins, or before the whole batch does.

    Returns:
        The runner.
    """
    match handler.kind:
        case HandlerKind.COMMAND:
            return _with_permit(command_runner(handler, page), permits)
        case HandlerKind.ITEM:
            return _item_runner(handler, page, send, permits)
        case HandlerKind.BATCH:
            return _with_permit(_batch_runner(handler, page), permits)


def _with_permit(run: Runner, permits: Permits) -> Runner:
    def run_with_permit(batch: ClaimedBatch) -> bytes | None:
        if batch.isolation and batch.is_suspect:
            permits.ask(None)
        return run(batch)

    return run_with_permit


def may_be_interrupted(error: BaseException, begun: float) -> bool:
    """Return whether a batch may have failed because of a signal that was sent to all processes of a service.

    Args:
        error: What its runner has raised.
        begun: When it began, on the monotonic clock.
    """
    if isinstance(error, CommandDied) and -error.ended.returncode in STOP_SIGNALS:
        return True
    if isinstance(error, CommandFailed) and error.exit_code:
        return await_stop_signal(begun)
    raised = error.interrupted if isinstance(error, PartialFailure) else _is_caused_by_stop(error)
    # The handler may have failed because a process that it has started died of it.
    return raised or has_stop_signal_since(begun)


def _is_caused_by_stop(error: BaseException) -> bool:
    """Return whether a request to stop caused an exception: the same signal may be on its way to this process."""
    # By class, not by name: a handler's own exceptions may be called anything.
    if isinstance(error, subprocess.CalledProcessError):
        return -error.returncode in STOP_SIGNALS
    return isinstance(error, KeyboardInterrupt)


def _item_runner(handler: Handler, page: SharedPage, send: Callable[[ItemsDone], None], permits: Permits) -> Runner:
    function, name, takes_context = handler.function, handler.name, handler.takes_context
    assert function is not None  # noqa: S101  only commands have none
    getpid, slot_pid = os.getpid, os.getpid()

    def run(batch: ClaimedBatch) -> bytes | None:
        context = Context(page, name, batch.job_id, batch.batch_no, batch.attempt) if takes_context else None
        keys = batch.item_keys.decode().split("\n") if context is not None else ()
        lines: list[bytes] = []
        failures: list[ItemFailure] = []
        interrupted = False
        is_suspect = bool(batch.isolation) and batch.is_suspect
        done: int | None = None
        for index, text in enumerate(_item_texts(batch)):
            if is_suspect:
                permits.ask(index, done=done, line=b"" if done is None else lines[-1])
                done = None
            page.begin_item(index)
            try:
                try:
                    if context is None:
                        value = function(_decode(text))
                    else:
                        context.item_key = keys[index]
                        value = function(_decode(text), context)
                finally:
                    if getpid() != slot_pid:
                        _exit_forked_copy()
                line = b"" if value is None else _encode(value)
                lines.append(line)
                if not page.add_result(index, line):
                    _send_results(page, index, line, send)
                done = index
            except SystemExit:
                raise
            except BaseException as error:  # noqa: BLE001  any exception fails this item, and the next ones run
                failures.append(item_failure(index, error, with_traceback=len(failures) < ITEMS_WITH_TRACEBACK))
                interrupted = interrupted or _is_caused_by_stop(error)
        if failures:
            raise PartialFailure(lines, failures, interrupted=interrupted)
        return join_results(lines)

    return run


def _send_results(page: SharedPage, index: int, line: bytes, send: Callable[[ItemsDone], None]) -> None:
    results = page.results()
    results[index] = line
    send(ItemsDone(page.seq, list(results), list(results.values())))
    page.spill_results(index, line)


def _batch_runner(handler: Handler, page: SharedPage) -> Runner:
    function, name, takes_context = handler.function, handler.name, handler.takes_context
    assert function is not None  # noqa: S101  only commands have none
    slot_pid = os.getpid()

    def run(claimed: ClaimedBatch) -> bytes | None:
        context = Context(page, name, claimed.job_id, claimed.batch_no, claimed.attempt)
        items = [_decode(text) for text in _item_texts(claimed)]
        page.begin_whole()
        if len(items) == 1:
            page.begin_item(0)
            context.item_key = claimed.item_keys.decode()
        batch = Batch(context, page, items, claimed.item_keys, claimed.ordinals)
        try:
            returned = function(batch, context) if takes_context else function(batch)
            return None if returned is None else join_results(_result_lines(returned, len(items), name))
        finally:
            if os.getpid() != slot_pid:
                _exit_forked_copy()

    return run


def _item_texts(batch: ClaimedBatch) -> list[bytes]:
    if batch.payload is None:
        raise ValueError("the batch's payload has been deleted: submit its items again")
    return batch.payload.split(b"\n")


def _result_lines(returned: Any, count: int, name: str) -> list[bytes]:
    if isinstance(returned, str | bytes | dict) or not isinstance(returned, Iterable):
        raise TypeError(
            f"the batch handler {name!r} returned {type(returned).__qualname__}; "
            f"it must return None or one result for each of the {count} items"
        )
    values = list(returned)
    if len(values) != count:
        raise ValueError(
            f"the batch handler {name!r} returned {len(values)} results for {count} items; "
            "it must return None or one result for each item"
        )
    return [b"" if value is None else _encode(value) for value in values]


def _exit_forked_copy() -> None:
    """Exit a process that a handler forked and that returned from the handler, as the interpreter would.

    The copy shares the channel and the page with the slot: its frames would be taken for the slot's, and it would run
    the rest of the batch a second time.
    """
    error = sys.exc_info()[1]
    code: object = 0
    if isinstance(error, SystemExit):
        code = error.code or 0
    elif error is not None:
        traceback.print_exception(error)
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201  as the interpreter does
        code = 1
    os._exit(code & 0xFF)
