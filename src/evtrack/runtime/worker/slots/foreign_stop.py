"""Tells a slot that died because its whole service is being stopped from one that crashed."""

from __future__ import annotations

import os
import signal
from typing import Final

from evtrack.runtime.slot.lifetime import STOP_SIGNALS, STOP_WAIT_S

_SHELL: Final = 128
"""A program that handles a signal by exiting does so with this code plus the signal's number."""
_EXIT_WAIT_S: Final = 0.1


def verdict_wait_s(wait_status: int | None) -> float | None:
    """Return how long the worker's own request to stop may take to arrive, until the end of a slot is a crash.

    Signals are sent to the processes of a service one after another, in any order, and user code may handle them by
    exiting, or set them back to their default.

    Args:
        wait_status: How the slot ended, as waitpid reports it.

    Returns:
        Seconds, 0 if the request must have come before; None if the end has nothing to do with stopping.
    """
    if wait_status is None:
        return None
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        # Whoever stops a service kills what is left of it after a while.
        return STOP_WAIT_S if number in STOP_SIGNALS else 0.0 if number == signal.SIGKILL else None
    code = os.WEXITSTATUS(wait_status)
    return STOP_WAIT_S if code - _SHELL in STOP_SIGNALS else _EXIT_WAIT_S
