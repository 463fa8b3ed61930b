"""Asks the supervisor, before each item of a suspect, to commit which item begins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from evtrack.runtime.slot.protocol import ItemMark

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.runtime.slot.shared_page import SharedPage

_FIRST_PAUSE_S: Final = 0.00005
_LONGEST_PAUSE_S: Final = 0.001


class Permits:
    """Sends marks, and waits until each is committed: whatever dies then, the item in hand is known.

    Args:
        page: Where the supervisor writes which marks are committed.
        send: Sends a mark.
    """

    def __init__(self, page: SharedPage, send: Callable[[ItemMark], None]) -> None:
        self._page = page
        self._send = send
        self._number = 0
        self._waited_s = 0.0

    def ask(self, begins: int | None, *, done: int | None = None, line: bytes = b"") -> None:
        """Send a mark, and wait for the permit. The wait counts neither as run time nor as silence.

        Args:
            begins: Index of the item that begins, or None when the handler gets the whole batch.
            done: Index of the item that completed since the last mark, or None.
            line: Its result line, empty when there is none.
        """
        page = self._page
        self._number += 1
        asked_at = time.monotonic()
        begun_at = page.wait()
        self._send(ItemMark(page.seq, self._number, done, line, begins))
        pause_s = _FIRST_PAUSE_S
        # Without a deadline: a slot ends with its supervisor, and a supervisor without a database with its own.
        while page.permit < self._number:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        waited_s = time.monotonic() - asked_at
        self._waited_s += waited_s
        page.go_on(begun_at + waited_s)

    def take_waited_s(self) -> float:
        """Return how long the slot has waited for permits since the last call.

        Returns:
            Seconds.
        """
        waited_s, self._waited_s = self._waited_s, 0.0
        return waited_s
