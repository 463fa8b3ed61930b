"""What user code prints in a slot, each piece marked with the batch and item in hand while it is written.

Marks are written only where something is printed, so that silent handlers pay nothing. What native code or a child
process writes past Python bears none, and its reader must guess.
"""

from __future__ import annotations

import io
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from evtrack.runtime.slot.shared_page import SharedPage

TEXT: Final = "t"
"""A piece of a stream, as it was printed."""

FACTS: Final = "j"
"""A record of `ctx.log`: one JSON document."""

LEVELS: Final = {"d": "debug", "i": "info", "w": "warning", "e": "error"}
"""Records of the logging module, by their level."""

RECORD_BYTES: Final = 4_000
"""Longest record; what is longer is cut where it is written."""

MARK: Final = re.compile(rb"\x1eevtrack:(?:(\d{1,18}):(\d{1,9}):([a-z]))?\x1f")
"""Begins a piece with number of the batch, place of the item from 1 or 0 for none, and kind; without these, ends it."""

LONGEST_MARK: Final = 42

_END: Final = b"\x1eevtrack:\x1f"
_STDERR: Final = 2


class MarkedStderr(io.RawIOBase):
    """Writes to stderr's descriptor, each piece between marks.

    Args:
        page: Says what is in hand.
    """

    def __init__(self, page: SharedPage) -> None:
        super().__init__()
        self._page = page

    def writable(self) -> bool:
        """Say yes."""
        return True

    def isatty(self) -> bool:
        """Say no: it is a pipe."""
        return False

    def fileno(self) -> int:
        """Return the descriptor, for child processes; what they write bears no marks."""
        return _STDERR

    def write(self, data: Any) -> int:
        """Write a piece of a stream.

        Args:
            data: Bytes.

        Returns:
            How many they were: all of them.
        """
        piece = bytes(data)
        self.piece(TEXT, piece)
        return len(piece)

    def piece(self, kind: str, piece: bytes) -> None:
        """Write a piece with its marks, in one call where the pipe takes it.

        Args:
            kind: What it is.
            piece: The bytes.
        """
        page = self._page
        item = page.item
        head = b"\x1eevtrack:%d:%d:%s\x1f" % (page.seq, 0 if item is None else item + 1, kind.encode())
        rest = memoryview(head + piece + _END)
        while rest:
            rest = rest[os.write(_STDERR, rest) :]


_tagged: MarkedStderr | None = None


def take_over(page: SharedPage) -> None:
    """Have all that Python code prints from now on marked, to stdout as well as to stderr.

    Args:
        page: Says what is in hand.
    """
    global _tagged  # noqa: PLW0603  a process has one stderr
    # Whatever user code prints is for people to read; stdout carries data only where evtrack itself writes it.
    os.dup2(_STDERR, 1)
    _tagged = MarkedStderr(page)
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(
            io.BufferedWriter(_tagged), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)


def record(kind: str, text: str) -> None:
    """Write a record of a log.

    Args:
        kind: FACTS, or one of LEVELS.
        text: What it says.
    """
    if _tagged is None:
        sys.stderr.write(f"{text}\n")
        return
    data = text.encode("utf-8", "backslashreplace")
    cut = data if len(data) <= RECORD_BYTES else data[:RECORD_BYTES] + b" ..."
    _tagged.piece(kind, cut + b"\n")


def take_last_resort() -> None:
    """Have records of the logging module keep their level, where user code has set up no logging of its own."""
    # Who has not imported it does not pay for it.
    logging = sys.modules.get("logging")
    if logging is None:
        return

    class LastResort(logging.Handler):  # type: ignore[name-defined,misc]  # a module found at run time
        def emit(self, entry: Any) -> None:
            try:
                record("diwe"[min(max(entry.levelno // 10, 1), 4) - 1], self.format(entry))
            except Exception:  # noqa: BLE001  logging must not fail an item
                self.handleError(entry)

    handler = LastResort(logging.NOTSET)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    setattr(logging, "lastResort", handler)  # noqa: B010  the stubs do not know that it may be set
