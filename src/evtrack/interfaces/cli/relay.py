"""Passes on what handlers print, so much a second: a handler that prints without end must not bury the rest."""

import sys
import time
from typing import Final

BYTES_A_SECOND: Final = 64 << 10


class Relay:
    """Writes to stderr what slots write there.

    Args:
        bytes_a_second: How much at most; what is over is dropped and counted.
    """

    def __init__(self, *, bytes_a_second: int = BYTES_A_SECOND) -> None:
        if bytes_a_second < 1:
            raise ValueError(f"bytes_a_second must be at least 1, got {bytes_a_second}")
        self._most = bytes_a_second
        self._second = 0
        self._left = bytes_a_second
        self._dropped = 0

    def __call__(self, piece: bytes) -> None:
        """Pass on a piece.

        Args:
            piece: What a slot wrote.
        """
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._left = second, self._most
            if self._dropped:
                sys.stderr.write(f"[{self._dropped} bytes of handlers' output not shown]\n")
                self._dropped = 0
        shown = piece[: self._left]
        self._left -= len(shown)
        self._dropped += len(piece) - len(shown)
        if shown:
            sys.stderr.write(shown.decode("utf-8", "replace"))
            sys.stderr.flush()
