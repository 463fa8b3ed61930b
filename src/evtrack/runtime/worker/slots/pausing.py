"""Stops the slots while the terminal stops their worker, and does not count that time against their batches."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.runtime.slot.process_tree import descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evtrack.runtime.worker.slots.process import SlotProcess

_GAP_S: Final = 1.0
"""A wait that ends this much too late has been interrupted: the process was stopped, or its container paused."""


class Pausing:
    """Stops and continues slots. Its methods may be called in a signal handler.

    Args:
        slots: Lists the living slots.
        fork_server: Returns the process of the fork server, or None.
    """

    def __init__(self, *, slots: Callable[[], Iterable[SlotProcess]], fork_server: Callable[[], int | None]) -> None:
        self._slots, self._fork_server = slots, fork_server
        self._since: float | None = None
        self._counted_to = 0.0

    def pause(self) -> None:
        """Stop the slots, and what they have started."""
        self._since = self._since or monotonic()
        for slot in self._slots():
            _signal_all(slot.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the slots. They may have been stopped by others, too."""
        if self._since is not None:
            # Before they go on, so that no batch is over its limit for a moment.
            self._postpone(self._since, monotonic())
            self._since = None
        server = self._fork_server()
        if server is not None:
            with suppress(ProcessLookupError):
                os.kill(server, signal.SIGCONT)
        for slot in self._slots():
            _signal_all(slot.pid, signal.SIGCONT)

    def notice_gap(self, due: float) -> None:
        """Do not count a time in which everything stood still, if there was one.

        Args:
            due: When a wait should have ended at the latest, which ended now.
        """
        now = monotonic()
        since = max(due, self._counted_to)
        if now - since > _GAP_S:
            self._postpone(since, now)

    def _postpone(self, since: float, now: float) -> None:
        self._counted_to = now
        for slot in self._slots():
            if not slot.is_ending:
                slot.page.postpone(now - since)


def _signal_all(slot: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(slot, number)
    for pid in descendants(slot):
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) != slot:
                os.kill(pid, number)
