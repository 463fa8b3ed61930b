"""Lines that a slot's handlers print or log: told of with job, batch and item, bounded in size and in rate."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.text import printable
from evtrack.runtime.slot.output import FACTS, LEVELS, LONGEST_MARK, MARK, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evtrack.domain.claimed_batch import ClaimedBatch


LINES_A_SECOND: Final = 100
"""Lines of one slot; what is over is counted."""

LINE_CHARACTERS: Final = 2_000
_LINE_BYTES: Final = 8_000
_NEWLINE: Final = re.compile(rb"\r\n|\n|\r")

Tag = tuple[int, int | None, str]
"""What a piece is about: number of the batch in the slot's life, place of the item or None, and kind."""

_log = structlog.get_logger()


class OutputParser:
    """Takes the marks out of what a slot writes."""

    def __init__(self) -> None:
        self._held = b""
        self._tag: Tag | None = None

    def pieces(self, data: bytes) -> Iterator[tuple[Tag | None, bytes, bool]]:
        """Part what came by its marks.

        Args:
            data: What was read; a mark may be cut anywhere.

        Yields:
            Pieces with their tags, None where native code or a child process wrote, and whether the tag ends there.
        """
        data, self._held = self._held + data, b""
        begun = data.rfind(b"\x1e", -LONGEST_MARK)
        if begun >= 0 and b"\x1f" not in data[begun:]:
            data, self._held = data[:begun], data[begun:]
        at = 0
        for mark in MARK.finditer(data) if b"\x1e" in data else ():
            if mark.start() > at or self._tag is not None:
                yield self._tag, data[at : mark.start()], True
            at = mark.end()
            seq, place, kind = mark.groups()
            self._tag = None if seq is None else (int(seq), int(place) - 1 if int(place) else None, kind.decode())
        if at < len(data):
            yield self._tag, data[at:], False

    def rest(self) -> bytes:
        """Return what looked like the beginning of a mark, now that nothing follows."""
        held, self._held = self._held, b""
        return held


class HandlerOutput:
    """Writes a log line for each line of one slot.

    Args:
        pid: The slot's process.
        row_of: Finds a batch by its number in the slot's life; None when it is not held, or no longer.
        lines_a_second: How many at most.
    """

    def __init__(
        self, *, pid: int, row_of: Callable[[int], ClaimedBatch | None], lines_a_second: int = LINES_A_SECOND
    ) -> None:
        if lines_a_second < 1:
            raise ValueError(f"lines_a_second must be at least 1, got {lines_a_second}")
        self.suppressed = 0
        """Lines that were not written since this was last said."""
        self._pid = pid
        self._row_of = row_of
        self._most = self._left = lines_a_second
        self._second = 0
        self._tag: Tag | None = None
        self._about: ClaimedBatch | None = None
        self._rest = b""
        self._is_cut = False

    def take(self, tag: Tag, data: bytes, now: float, *, is_whole: bool = False) -> None:
        """Take a piece.

        Args:
            tag: What it is about.
            data: What was written.
            now: The monotonic clock.
            is_whole: Whether a record ends with it; a stream's lines end where they end.
        """
        self.tick(now)
        if tag != self._tag:
            self._end_line()
            self._tag, self._about = tag, self._row_of(tag[0])
        self._rest += data
        if tag[2] == TEXT:
            *lines, self._rest = _NEWLINE.split(self._rest)
            for line in lines:
                self._tell(line)
                self._is_cut = False
        elif is_whole:
            self._end_line()
        if len(self._rest) > _LINE_BYTES:
            self._tell(self._rest)
            self._rest, self._is_cut = b"", True

    def tick(self, now: float) -> None:
        """Begin a new second, and say how much of an earlier one was not shown.

        Args:
            now: The monotonic clock.
        """
        if int(now) != self._second:
            self._second, self._left = int(now), self._most
            self._own_up()

    def close(self) -> None:
        """Tell what is left: the slot has ended."""
        self._end_line()
        self._own_up()

    def _end_line(self) -> None:
        self._tell(self._rest)
        self._rest, self._is_cut = b"", False

    def _own_up(self) -> None:
        if self.suppressed:
            # Of one item or of many: only the slot is certain.
            _log.warning(log_names.HANDLER_OUTPUT_SUPPRESSED, lines=self.suppressed, slot_pid=self._pid)
            self.suppressed = 0

    def _tell(self, line: bytes) -> None:
        # What follows a line that was cut is its rest.
        if self._is_cut or not line.strip() or self._tag is None:
            return
        if not self._left:
            self.suppressed += 1
            return
        self._left -= 1
        _, place, kind = self._tag
        text, bound = line.decode("utf-8", "replace").rstrip(), self._bound(place)
        if kind == FACTS and isinstance(said := _parsed(text), dict):
            facts = {printable(name, 100): _harmless(value) for name, value in said.items() if name not in _BOUND}
            message = printable(said.get("event", ""), LINE_CHARACTERS)
            _at(said.get("level"))(log_names.HANDLER_LOG, message=message, facts=facts, **bound)
        elif kind in LEVELS:
            _at(LEVELS[kind])(log_names.HANDLER_LOG, message=printable(text, LINE_CHARACTERS), **bound)
        else:
            _log.info(log_names.HANDLER_OUTPUT, line=printable(text, LINE_CHARACTERS), **bound)

    def _bound(self, place: int | None) -> dict[str, Any]:
        row = self._about
        if row is None:
            return {"slot_pid": self._pid}
        key, _ = row.item(place)
        bound = {
            "job_id": row.job_id,
            "batch_no": row.batch_no,
            "attempt": row.attempt,
            "handler": printable(row.handler.decode("utf-8", "replace"), 200),
            "slot_pid": self._pid,
        }
        return bound if key is None else {**bound, "item_key": printable(key, 200)}


_BOUND: Final = frozenset({"event", "level", "timestamp", "job_id", "batch_no", "attempt", "handler", "item_key"})
"""What a record of `ctx.log` brings beside its facts: the worker says it itself."""


def _at(level: Any) -> Callable[..., Any]:
    by_name: dict[str, Callable[..., Any]] = {
        "debug": _log.debug,
        "warning": _log.warning,
        "error": _log.error,
        "critical": _log.error,
    }
    told: Callable[..., Any] = by_name.get(str(level), _log.info)
    return told


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _harmless(value: Any) -> Any:
    if isinstance(value, bool | int | float | None):
        return value
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), LINE_CHARACTERS)
