"""Reads single keys from a terminal, and gives it back as it was."""

from __future__ import annotations

import os
import select
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def single_keys() -> Iterator[Callable[[float], str]]:
    """Have keys come without Enter and unseen, where stdin is a terminal; Ctrl-C stays a signal.

    Yields:
        A function that waits for so many seconds, and returns the keys that were pressed.
    """
    if not sys.stdin.isatty():
        yield _wait_only
        return
    import termios  # noqa: PLC0415  not on every system, and only here
    import tty  # noqa: PLC0415

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield lambda timeout_s: _pressed(fd, timeout_s)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _pressed(fd: int, timeout_s: float) -> str:
    readable, _, _ = select.select([fd], [], [], timeout_s)
    if not readable:
        return ""
    # A terminal that is gone reads as its end: nobody looks any more.
    return os.read(fd, 64).decode("utf-8", "replace") or "q"


def _wait_only(timeout_s: float) -> str:
    select.select([], [], [], timeout_s)
    return ""
