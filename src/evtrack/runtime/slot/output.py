"""Marks what user code prints in a slot with the batch and item that were current when it was written.

Marks are written only when something is printed, so silent handlers cost nothing. Output that native code or a child
process writes without going through Python has no marks, and its reader must guess. Nothing that is printed can pass
for a mark: each holds the slot's key, which is random and the first that the slot writes.
"""

from __future__ import annotations

import io
import os
import re
import select
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from evtrack.runtime.slot.shared_page import SharedPage

TEXT: Final = "t"
"""A piece of a stream, as it was printed."""

FACTS: Final = "j"
"""A record of `ctx.log`: one JSON document."""

LEVELS: Final = {"d": "debug", "i": "info", "w": "warning", "e": "error"}
"""Records of the logging module, by level."""

RECORD_BYTES: Final = 4_000
"""Longest record; a longer one is cut before it is written."""

RESERVED: Final = frozenset({"event", "level", "timestamp", "job_id", "batch_no", "attempt", "handler", "item_key"})
"""Keys of a `ctx.log` record that are not facts: the worker sets them itself."""

KEY_BYTES: Final = 16
"""Length of a slot's key, with which its output begins."""

LONGEST_MARK: Final = 42 + KEY_BYTES

_STDERR: Final = 2
_ROOM_MS: Final = 1000


def mark_pattern(key: bytes) -> re.Pattern[bytes]:
    """Return what matches the marks of one slot.

    A mark begins a piece: batch sequence number, item index plus 1 (0 for none), and kind. Without these it ends one.

    Args:
        key: The slot's key.
    """
    return re.compile(rb"\x1eevtrack:%s:(?:(\d{1,18}):(\d{1,9}):([a-z]))?\x1f" % re.escape(key))


class MarkedStderr(io.RawIOBase):
    """Writes to stderr's descriptor, each piece between marks.

    Args:
        page: Holds the current batch and item.
        key: The slot's key.
    """

    def __init__(self, page: SharedPage, key: bytes) -> None:
        super().__init__()
        self._page = page
        self._begin = b"\x1eevtrack:%s:" % key
        self._end = self._begin + b"\x1f"

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False: it is a pipe."""
        return False

    def fileno(self) -> int:
        """Return the descriptor, for child processes; their output has no marks."""
        return _STDERR

    def write(self, data: Any) -> int:
        """Write a piece of a stream.

        Args:
            data: Bytes.

        Returns:
            The number of bytes written: always all.
        """
        piece = bytes(data)
        self.write_piece(TEXT, piece)
        return len(piece)

    def write_piece(self, kind: str, piece: bytes) -> None:
        """Write a piece with its marks, in one call if the pipe has room.

        Args:
            kind: TEXT, FACTS, or one of LEVELS.
            piece: The bytes.
        """
        page = self._page
        item = page.item
        head = b"%s%d:%d:%s\x1f" % (self._begin, page.seq, 0 if item is None else item + 1, kind.encode())
        rest = memoryview(head + piece + self._end)
        while rest:
            try:
                rest = rest[os.write(_STDERR, rest) :]
            except BlockingIOError:
                # Programs that share it, such as node and ssh, make it non-blocking for all.
                _await_room()


def _await_room() -> None:
    room = select.poll()
    room.register(_STDERR, select.POLLOUT)
    room.poll(_ROOM_MS)


_marked: MarkedStderr | None = None


def redirect_output(page: SharedPage) -> None:
    """Mark everything that Python code prints from now on, to stdout as well as to stderr.

    Args:
        page: Holds the current batch and item.
    """
    global _marked  # noqa: PLW0603  a process has one stderr
    # User code's output is text for users; only evtrack itself writes data to stdout.
    os.dup2(_STDERR, 1)
    key = os.urandom(KEY_BYTES // 2).hex().encode()
    os.write(_STDERR, key)
    _marked = MarkedStderr(page, key)
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(
            io.BufferedWriter(_marked), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)


def write_output(piece: bytes) -> None:
    """Write a piece of a program's stderr, whatever user code has made of `sys.stderr`.

    Args:
        piece: The bytes.
    """
    if _marked is None:
        sys.stderr.buffer.write(piece)
        sys.stderr.buffer.flush()
    else:
        _marked.write_piece(TEXT, piece)


def write_record(kind: str, text: str) -> None:
    """Write a log record.

    Args:
        kind: FACTS, or one of LEVELS.
        text: The record.
    """
    if _marked is None:
        sys.stderr.write(f"{text}\n")
        return
    data = text.encode("utf-8", "backslashreplace")
    cut = data if len(data) <= RECORD_BYTES else data[:RECORD_BYTES] + b" ..."
    _marked.write_piece(kind, cut + b"\n")


def install_last_resort() -> None:
    """Keep the level of the logging module's records where user code has not configured logging."""
    # A slot whose handlers do not import logging does not pay for it.
    logging = sys.modules.get("logging")
    if logging is None:
        return

    class LastResort(logging.Handler):  # type: ignore[name-defined,misc]  # a module found at run time
        def emit(self, entry: Any) -> None:
            try:
                write_record("diwe"[min(max(entry.levelno // 10, 1), 4) - 1], self.format(entry))
            except Exception:  # noqa: BLE001  logging must not fail an item
                self.handleError(entry)

    handler = LastResort(logging.NOTSET)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    setattr(logging, "lastResort", handler)  # noqa: B010  the stubs do not know that it may be set
