"""How each kind of handler is called with a batch, and what becomes of its results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from evtrack.runtime.slot.batch import Batch, Context
from evtrack.runtime.slot.failures import ITEMS_WITH_TRACEBACK, Partial, item_failure
from evtrack.runtime.slot.forked_copies import end_copy
from evtrack.runtime.slot.handlers import Handler, HandlerKind
from evtrack.runtime.slot.protocol import ItemsDone
from evtrack.runtime.slot.results import Runner, joined

if TYPE_CHECKING:
    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.protocol import ItemFailure
    from evtrack.runtime.slot.shared_page import SharedPage

_decode = msgspec.json.decode
_encode = msgspec.json.encode


def runner(handler: Handler, page: SharedPage, send: Callable[[ItemsDone], None]) -> Runner:
    """Make the function that calls a handler with batches.

    Args:
        handler: What to call.
        page: Where to say what is in hand and done.
        send: Sends what is done when the page is full.

    Returns:
        The runner.
    """
    if handler.kind is HandlerKind.COMMAND:
        from evtrack.runtime.slot.command import command_runner  # noqa: PLC0415  subprocess costs 10 ms that few slots need

        return command_runner(handler, page)
    return _item_runner(handler, page, send) if handler.kind is HandlerKind.ITEM else _batch_runner(handler, page)


def _item_runner(handler: Handler, page: SharedPage, send: Callable[[ItemsDone], None]) -> Runner:
    function, name, takes_context = handler.function, handler.name, handler.takes_context
    assert function is not None  # noqa: S101  only commands have none
    getpid, slot_pid = os.getpid, os.getpid()

    def run(row: ClaimedBatch) -> bytes | None:
        context = Context(page, name, row.job_id, row.batch_no, row.attempt) if takes_context else None
        keys = row.item_keys.decode().split("\n") if context is not None else ()
        lines: list[bytes] = []
        failures: list[ItemFailure] = []
        for index, text in enumerate(_lines(row.payload)):
            page.mark(index)
            try:
                try:
                    if context is None:
                        value = function(_decode(text))
                    else:
                        context.item_key = keys[index]
                        value = function(_decode(text), context)
                finally:
                    if getpid() != slot_pid:
                        end_copy()
                line = b"" if value is None else _encode(value)
                lines.append(line)
                if not page.note(index, line):
                    _send_notes(page, index, line, send)
            except SystemExit:
                raise
            except BaseException as error:  # noqa: BLE001  whatever it is, it is this item's, and the rest goes on
                failures.append(item_failure(index, error, with_traceback=len(failures) < ITEMS_WITH_TRACEBACK))
        if failures:
            raise Partial(lines, failures)
        return joined(lines)

    return run


def _send_notes(page: SharedPage, place: int, line: bytes, send: Callable[[ItemsDone], None]) -> None:
    notes = page.notes()
    notes[place] = line
    send(ItemsDone(page.seq, list(notes), list(notes.values())))
    page.wipe()


def _batch_runner(handler: Handler, page: SharedPage) -> Runner:
    function, name, takes_context = handler.function, handler.name, handler.takes_context
    assert function is not None  # noqa: S101  only commands have none
    slot_pid = os.getpid()

    def run(row: ClaimedBatch) -> bytes | None:
        context = Context(page, name, row.job_id, row.batch_no, row.attempt)
        items = [_decode(text) for text in _lines(row.payload)]
        if len(items) == 1:
            page.mark(0)
            context.item_key = row.item_keys.decode()
        batch = Batch(context, page, items, row.item_keys, row.ordinals)
        try:
            returned = function(batch, context) if takes_context else function(batch)
            return None if returned is None else joined(_results(returned, len(items), name))
        finally:
            if os.getpid() != slot_pid:
                end_copy()

    return run


def _lines(payload: bytes | None) -> list[bytes]:
    if payload is None:
        raise ValueError("the batch's payload has been deleted: submit its items again")
    return payload.split(b"\n")


def _results(returned: Any, count: int, name: str) -> list[bytes]:
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
