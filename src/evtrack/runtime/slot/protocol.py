"""What supervisor and slot say to each other: typed frames.

Never pickle: a slot runs foreign code, and the supervisor holds the connection to the database.
"""

from typing import Final

import msgspec

from evtrack.domain.claimed_batch import ClaimedBatch

CHANNEL_CLOSED: Final = 71
"""Exit code of a slot that finds its channel closed in its own process: only user code can have done it."""


class Frame(msgspec.Struct, array_like=True, tag_field="frame", tag=True, frozen=True, gc=False):
    """Anything that is said."""


class Setup(Frame, frozen=True, gc=False, tag="setup"):
    """To a slot, once: what to offer.

    Args:
        imports: Modules that define handlers.
        commands: Programs by handler name, as argument lists.
        only: Offer these names and no others; empty for all.
        path: Folder to import modules from, before all others.
    """

    imports: list[str]
    commands: dict[str, list[str]]
    only: list[str]
    path: str


class Work(Frame, frozen=True, gc=False, tag="work"):
    """To a slot: batches to run, in order.

    Args:
        first: Number of the first in the slot's life, counted from 1.
        rows: The batches.
    """

    first: int
    rows: list[ClaimedBatch]


class SlotReady(Frame, frozen=True, gc=False, tag="ready"):
    """From a slot, once: its handlers are imported.

    Args:
        handlers: The kind of each handler by its name.
    """

    handlers: dict[str, str]


class SlotUnready(Frame, frozen=True, gc=False, tag="unready"):
    """From a slot, once, before it exits: it cannot offer what it was told to.

    Args:
        module: The module that does not import; empty when that is not the reason.
        text: Its traceback, or what is wrong.
        hint: What to do next; empty for a traceback.
    """

    module: str
    text: str
    hint: str = ""


class BatchesDone(Frame, frozen=True, gc=False, tag="done"):
    """From a slot: batches that completed, in the order in which it was given them.

    Args:
        first: Number of the first.
        run_s: How long each ran.
        results: Lines of JSON of each batch, None for one without; None when no batch has any.
    """

    first: int
    run_s: list[float]
    results: list[bytes | None] | None


class ItemFailure(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An item whose handler raised.

    Args:
        index: Its place in the batch, from 0.
        type: The exception's class.
        message: Its text.
        traceback: Where it came from; empty when the batch already tells as many as it may.
    """

    index: int
    type: str
    message: str
    traceback: str


class BatchErrored(Frame, frozen=True, gc=False, tag="failed"):
    """From a slot: a batch that failed as a whole.

    Args:
        seq: Its number.
        run_s: How long it ran.
        type: The exception's class.
        message: Its text.
        traceback: Where it came from.
        items: The failed items of a per-item handler: all of them.
    """

    seq: int
    run_s: float
    type: str
    message: str
    traceback: str
    items: list[ItemFailure]


class BatchPartlyDone(Frame, frozen=True, gc=False, tag="partly"):
    """From a slot: a batch some of whose items failed.

    Args:
        seq: Its number.
        run_s: How long it ran.
        results: A line of JSON for each item that is done, or None when nothing was returned.
        failures: The items that failed, in order.
    """

    seq: int
    run_s: float
    results: bytes | None
    failures: list[ItemFailure]


class ItemsDone(Frame, frozen=True, gc=False, tag="progress"):
    """From a slot, while a per-item handler is at a batch: items that are done, no longer on the page.

    Args:
        seq: The batch's number.
        places: Places of the items in the batch, from 0.
        lines: A line of JSON for each, empty where nothing was returned.
    """

    seq: int
    places: list[int]
    lines: list[bytes]


class CommandKilled(Frame, frozen=True, gc=False, tag="died"):
    """From a slot: the command that ran a batch was killed by a signal; the slot itself lives.

    Args:
        seq: The batch's number.
        run_s: How long it ran.
        signal: The signal's number.
        stderr: The end of what the command wrote there.
        pid: Its process.
        peak_rss_bytes: Most memory that it held.
        cpu_s: CPU time that it used.
    """

    seq: int
    run_s: float
    signal: int
    stderr: str
    pid: int = 0
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0


FromSlot = SlotReady | SlotUnready | BatchesDone | BatchErrored | BatchPartlyDone | ItemsDone | CommandKilled
ToSlot = Setup | Work
