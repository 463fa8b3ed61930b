"""The frames that a supervisor and its slots exchange.

Never pickle: a slot runs user code, and the supervisor holds the database connection.
"""

from typing import Final

import msgspec

from evtrack.domain.claimed_batch import ClaimedBatch

CHANNEL_CLOSED: Final = 71
"""Exit code of a slot that finds its channel closed in its own process: only user code can have closed it."""


class Frame(msgspec.Struct, array_like=True, tag_field="frame", tag=True, frozen=True, gc=False):
    """The base of all frames."""


class Setup(Frame, frozen=True, gc=False, tag="setup"):
    """To a slot, once: the handlers to offer.

    Args:
        imports: Modules that define handlers.
        commands: Argument lists of programs, by handler name.
        only: Offer these handlers and no others; empty for all.
        path: Directory to import modules from before any other.
        dsn: The worker's database, for handlers that submit work themselves; their environment does not name it.
        kept_variables: Names of variables that slots get although they may hold secrets of evtrack.
    """

    imports: list[str]
    commands: dict[str, list[str]]
    only: list[str]
    path: str
    dsn: str = ""
    kept_variables: list[str] = []


class Work(Frame, frozen=True, gc=False, tag="work"):
    """To a slot: batches to run, in order.

    Args:
        first: Sequence number of the first batch in the slot's life, from 1.
    """

    first: int
    batches: list[ClaimedBatch]


class SlotReady(Frame, frozen=True, gc=False, tag="ready"):
    """From a slot, once: its handlers are imported.

    Args:
        handlers: The kind of each handler, by name.
        rss_bytes: The memory that the slot holds now.
    """

    handlers: dict[str, str]
    rss_bytes: int = 0


class SlotBloated(Frame, frozen=True, gc=False, tag="bloated"):
    """From a slot that exits between two batches: it holds more memory than the supervisor wrote on its page.

    Args:
        rss_bytes: The memory that it holds.
        recycle_rss_bytes: The memory that it may hold between two batches.
    """

    rss_bytes: int
    recycle_rss_bytes: int


class SlotUnready(Frame, frozen=True, gc=False, tag="unready"):
    """From a slot, once, before it exits: it cannot offer the handlers.

    Args:
        module: The module that failed to import; empty when the reason is another.
        text: The module's traceback, or the reason.
        hint: What to do next; empty for a traceback.
    """

    module: str
    text: str
    hint: str = ""


class BatchesDone(Frame, frozen=True, gc=False, tag="done"):
    """From a slot: batches that completed, in the order in which they were assigned.

    Args:
        first: Sequence number of the first batch.
        run_s: Run time of each batch.
        results: Result lines of each batch, None for a batch without any; None when no batch has any.
        usage: Peak memory in bytes and CPU time of the batches for which they were measured, with their place in this
            frame, from 0.
    """

    first: int
    run_s: list[float]
    results: list[bytes | None] | None
    usage: list[tuple[int, int, float]] = []


class ItemFailure(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An item whose handler raised.

    Args:
        index: The item's index in the batch, from 0.
        type: The exception's class.
        message: The exception's text.
        traceback: The traceback; empty beyond the number of tracebacks that a batch keeps.
    """

    index: int
    type: str
    message: str
    traceback: str


class BatchErrored(Frame, frozen=True, gc=False, tag="failed"):
    """From a slot: a batch that failed as a whole.

    Args:
        seq: The batch's sequence number.
        run_s: Its run time.
        type: The exception's class.
        message: The exception's text.
        items: The failed items of a per-item handler: all items of the batch.
        interrupted: Whether one of STOP_SIGNALS arrived while the batch ran, and may be the reason.
    """

    seq: int
    run_s: float
    type: str
    message: str
    traceback: str
    items: list[ItemFailure]
    interrupted: bool = False


class BatchPartlyDone(Frame, frozen=True, gc=False, tag="partly"):
    """From a slot: a batch in which some items failed.

    Args:
        seq: The batch's sequence number.
        run_s: Its run time.
        results: A result line for each completed item, or None when no item has a result.
        failures: The failed items, in order.
        interrupted: Whether one of STOP_SIGNALS arrived while the batch ran, and may be the reason.
    """

    seq: int
    run_s: float
    results: bytes | None
    failures: list[ItemFailure]
    interrupted: bool = False


class ItemsDone(Frame, frozen=True, gc=False, tag="progress"):
    """From a slot, while a per-item handler runs a batch: completed items that no longer fit on the shared page.

    Args:
        seq: The batch's sequence number.
        indexes: The items' indexes in the batch, from 0.
        lines: A result line for each item, empty for an item without a result.
    """

    seq: int
    indexes: list[int]
    lines: list[bytes]


class ItemMark(Frame, frozen=True, gc=False, tag="mark"):
    """From a slot that runs a suspect, before each item: what has ended and what begins. It then waits for a permit.

    Args:
        seq: The batch's sequence number.
        number: The mark's number in the slot's life, from 1.
        done: Index of the item that completed since the last mark, or None.
        line: Its result line, empty when there is none.
        begins: Index of the item that begins, or None when the handler gets the whole batch.
    """

    seq: int
    number: int
    done: int | None
    line: bytes
    begins: int | None


class CommandKilled(Frame, frozen=True, gc=False, tag="died"):
    """From a slot: a signal killed the command that ran a batch; the slot itself lives.

    Args:
        seq: The batch's sequence number.
        run_s: Its run time.
        stderr: The end of what the command wrote to stderr.
        pid: The command's process.
        peak_rss_bytes: Peak memory of that process.
        cpu_s: CPU time that it used.
        interrupted: Whether one of STOP_SIGNALS killed it, or arrived while it ran.
    """

    seq: int
    run_s: float
    signal: int
    stderr: str
    pid: int = 0
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0
    interrupted: bool = False


FromSlot = (
    SlotReady
    | SlotBloated
    | SlotUnready
    | BatchesDone
    | BatchErrored
    | BatchPartlyDone
    | ItemsDone
    | ItemMark
    | CommandKilled
)
ToSlot = Setup | Work


def join_results(lines: list[bytes]) -> bytes | None:
    """Join the result lines of a batch.

    Args:
        lines: A line of JSON for each item, empty for an item without a result.

    Returns:
        The lines, or None when all are empty.
    """
    return b"\n".join(lines) if any(lines) else None
