"""Logs the lines that a slot's handlers print or log, with job, batch and item, bounded in size and rate."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from evtrack.domain import log_names
from evtrack.domain.log_values import bounded
from evtrack.domain.text import printable
from evtrack.runtime.slot.output import FACTS, KEY_BYTES, LEVELS, LONGEST_MARK, RESERVED, TEXT, mark_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evtrack.domain.claimed_batch import ClaimedBatch

LINES_A_SECOND: Final = 100
"""Most lines of one slot; the others are counted."""

LINE_CHARACTERS: Final = 2_000
_LINE_BYTES: Final = 8_000
_NEWLINE: Final = re.compile(rb"\r\n|\n|\r")
_log = structlog.get_logger()


class OutputTag(NamedTuple):
    """What a piece of output is about.

    Args:
        seq: The batch's sequence number in the slot's life.
        item: The item's index in the batch, or None.
        kind: TEXT, FACTS, or one of LEVELS.
    """

    seq: int
    item: int | None
    kind: str


class OutputParser:
    """Splits a slot's output at its marks. The output begins with the slot's key, which all of its marks hold."""

    def __init__(self) -> None:
        self._held = b""
        self._tag: OutputTag | None = None
        self._mark: re.Pattern[bytes] | None = None

    def pieces(self, data: bytes) -> Iterator[tuple[OutputTag | None, bytes, bool]]:
        """Split data into tagged pieces.

        Args:
            data: What was read; a mark may be cut anywhere.

        Yields:
            A piece's tag, None if native code or a child process wrote it; its bytes; and whether it ends there.
        """
        data, self._held = self._held + data, b""
        if self._mark is None:
            if len(data) < KEY_BYTES:
                self._held = data
                return
            self._mark, data = mark_pattern(data[:KEY_BYTES]), data[KEY_BYTES:]
        begun = data.rfind(b"\x1e", -LONGEST_MARK)
        if begun >= 0 and b"\x1f" not in data[begun:]:
            data, self._held = data[:begun], data[begun:]
        at = 0
        for mark in self._mark.finditer(data) if b"\x1e" in data else ():
            if mark.start() > at or self._tag is not None:
                yield self._tag, data[at : mark.start()], True
            at = mark.end()
            seq, number, kind = mark.groups()
            item = int(number) - 1 if number and int(number) else None
            self._tag = None if seq is None else OutputTag(int(seq), item, kind.decode())
        if at < len(data):
            yield self._tag, data[at:], False

    def rest(self) -> bytes:
        """Return what looked like the beginning of a mark, at the end of the output."""
        held, self._held = self._held, b""
        return held


class HandlerOutput:
    """Logs each line of one slot.

    Args:
        pid: The slot's process.
        find_batch: Finds a batch by its sequence number; None when the slot does not hold it.
    """

    def __init__(self, *, pid: int, find_batch: Callable[[int], ClaimedBatch | None]) -> None:
        self.suppressed = 0
        """Lines that were dropped since the last log line about dropped lines."""
        self.unreadable = 0
        """Lines that could not be logged as what they are."""
        self._pid = pid
        self._find_batch = find_batch
        self._left = LINES_A_SECOND
        self._second = 0
        self._tag: OutputTag | None = None
        self._batch: ClaimedBatch | None = None
        self._rest = b""
        self._is_cut = False

    def add(self, tag: OutputTag, data: bytes, now: float, *, is_whole: bool = False) -> None:
        """Add a piece of output.

        Args:
            tag: What it is about.
            data: The piece.
            now: The monotonic clock.
            is_whole: Whether a record ends with it; lines of a stream end at newlines.
        """
        self.tick(now)
        if tag != self._tag:
            self._end_line()
            self._tag, self._batch = tag, self._find_batch(tag.seq)
        self._rest += data
        if tag.kind == TEXT:
            *lines, self._rest = _NEWLINE.split(self._rest)
            for line in lines:
                self._log_line(line)
                self._is_cut = False
        elif is_whole:
            self._end_line()
        if len(self._rest) > _LINE_BYTES:
            self._log_line(self._rest)
            self._rest, self._is_cut = b"", True

    def tick(self, now: float) -> None:
        """Begin a new second if one has begun, and log how many lines the earlier one dropped.

        Args:
            now: The monotonic clock.
        """
        if int(now) != self._second:
            self._second, self._left = int(now), LINES_A_SECOND
            self._log_suppressed()

    def close(self) -> None:
        """Log what is left: the slot has ended."""
        self._end_line()
        self._log_suppressed()

    def _end_line(self) -> None:
        self._log_line(self._rest)
        self._rest, self._is_cut = b"", False

    def _log_suppressed(self) -> None:
        if self.suppressed:
            # Without job and item: the lines may belong to several, only the slot is certain.
            _log.warning(log_names.HANDLER_OUTPUT_SUPPRESSED, lines=self.suppressed, slot_pid=self._pid)
            self.suppressed = 0

    def _log_line(self, line: bytes) -> None:
        # What follows a line that was cut is the rest of that line.
        if self._is_cut or not line.strip() or self._tag is None:
            return
        if not self._left:
            self.suppressed += 1
            return
        self._left -= 1
        text = line.decode("utf-8", "replace").rstrip()
        try:
            self._log_text(text, self._tag)
        except Exception as error:  # noqa: BLE001  no line of a handler may harm the worker
            self.unreadable += 1
            plain, name = printable(text, LINE_CHARACTERS), type(error).__qualname__
            _log.warning(log_names.HANDLER_OUTPUT_UNREADABLE, line=plain, error=name, slot_pid=self._pid)

    def _log_text(self, text: str, tag: OutputTag) -> None:
        kind, context = tag.kind, self._context(tag.item)
        if kind == FACTS and isinstance(record := _parsed(text), dict):
            facts = {printable(name, 100): _fact(value) for name, value in record.items() if name not in RESERVED}
            message = printable(bounded(record.get("event", ""), 2 * LINE_CHARACTERS), LINE_CHARACTERS)
            _logger(record.get("level"))(log_names.HANDLER_LOG, message=message, facts=facts, **context)
        elif kind in LEVELS:
            _logger(LEVELS[kind])(log_names.HANDLER_LOG, message=printable(text, LINE_CHARACTERS), **context)
        else:
            _log.info(log_names.HANDLER_OUTPUT, line=printable(text, LINE_CHARACTERS), **context)

    def _context(self, index: int | None) -> dict[str, Any]:
        batch = self._batch
        if batch is None:
            return {"slot_pid": self._pid}
        key, _ = batch.item(index)
        context = {
            "job_id": batch.job_id,
            "batch_no": batch.batch_no,
            "attempt": batch.attempt,
            "handler": printable(batch.handler_name, 200),
            "slot_pid": self._pid,
        }
        return context if key is None else {**context, "item_key": printable(key, 200)}


def _logger(level: Any) -> Callable[..., Any]:
    by_name: dict[str, Callable[..., Any]] = {
        "debug": _log.debug,
        "warning": _log.warning,
        "error": _log.error,
        "critical": _log.error,
    }
    logger: Callable[..., Any] = by_name.get(str(level), _log.info)
    return logger


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _fact(value: Any) -> Any:
    cut = bounded(value, 2 * LINE_CHARACTERS)
    if isinstance(cut, bool | int | float | None):
        return cut
    return printable(cut if isinstance(cut, str) else json.dumps(cut, ensure_ascii=False), LINE_CHARACTERS)
