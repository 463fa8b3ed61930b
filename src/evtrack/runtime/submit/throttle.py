"""Holds back a submitter while the queue is full, for a bounded time."""

import time
from collections.abc import Callable
from threading import Event

from evtrack.domain.errors import BadArgument, QueueFull

MAX_WAIT_S = 300.0
_POLL_S = 0.1


def check_waiting(max_pending: int | None, max_wait_s: float) -> None:
    """Reject limits that cannot work.

    Args:
        max_pending: How many batches may be pending; None for no limit.
        max_wait_s: How long to wait at a time.

    Raises:
        BadArgument: One of them is too small.
    """
    if max_pending is not None and max_pending < 1:
        raise BadArgument(f"max_pending must be at least 1, got {max_pending}")
    if max_wait_s < 0:
        raise BadArgument(f"max_wait_s must not be negative, got {max_wait_s}")


class Throttle:
    """Keeps the number of pending batches of a handler at or below a limit.

    Args:
        pending: Counts them.
        max_pending: How many may be pending.
        max_wait_s: How long to wait at a time.
        stop: Ends a wait early.

    """

    def __init__(
        self, *, pending: Callable[[], int], max_pending: int, max_wait_s: float = MAX_WAIT_S, stop: Event
    ) -> None:
        check_waiting(max_pending, max_wait_s)
        self._pending = pending
        self._max_pending = max_pending
        self._max_wait_s = max_wait_s
        self._stop = stop

    def wait(self, batches: int, on_progress: Callable[[float, int], None]) -> None:
        """Wait until there is room.

        Args:
            batches: Room for this many batches; more than the limit need an empty queue.
            on_progress: Called at every check with the seconds waited and the number of pending batches.

        Raises:
            QueueFull: There was no room in time.
        """
        room_from = max(self._max_pending - batches, 0)
        begun = time.monotonic()
        while not self._stop.is_set():
            pending = self._pending()
            waited_s = time.monotonic() - begun
            if pending <= room_from:
                return
            on_progress(waited_s, pending)
            if waited_s >= self._max_wait_s:
                raise QueueFull(waited_s=waited_s, pending=pending, limit=self._max_pending)
            self._stop.wait(min(_POLL_S, self._max_wait_s - waited_s))
