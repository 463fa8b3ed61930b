"""When a worker looks for work that a notification announces: in a large fleet, a few at once and the others later."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE: Final = 8
"""How many idle workers look at once, on average."""

LONGEST_S: Final = 0.5
"""How long a worker waits at most."""

COUNT_S: Final = 10.0
"""Age at which a worker that found nothing counts the idle ones again."""

_EACH_S: Final = 0.002
"""Several times what a look costs the server, so that a whole fleet that looks keeps no core busy."""

_HEAD_START: Final = 0.25
"""Share of the longest delay that all have who do not look at once: by then, a single batch has been claimed."""


class WakeUpDelay:
    """Delays the look of one worker, by how many others may have the same work.

    Who found work the last time looks at once: there may be few who could take it.
    """

    def __init__(self) -> None:
        self.due_at = math.inf
        """Monotonic time at which to look; infinite if no notification asks for it."""
        self.is_late = False
        """Whether others looked before, so that most likely nothing is left to claim."""
        self.uncounted: list[str] = []
        """The handlers whose idle workers should be counted, with `record_count`."""
        self._has_found = False
        self._announced: set[str] = set()
        self._idle: dict[str, int] = {}
        self._counted_at: dict[str, float] = {}

    def wait_s(self, now: float) -> float | None:
        """Return how long there is nothing to look for; None if that is until the next notification.

        Args:
            now: The monotonic clock.
        """
        return None if self.due_at == math.inf else max(0.0, self.due_at - now)

    def record_wake_up(self, handlers: Sequence[str], *, workers: int, now: float) -> None:
        """Decide when to look for what notifications announce.

        Args:
            handlers: The handlers that they name; at least one.
            workers: How many workers there are, as far as is known; 0 for unknown.
            now: The monotonic clock.
        """
        self._announced.update(handlers)
        rivals = min(workers, *(self._idle.get(handler, workers) for handler in handlers))
        if self._has_found or random.random() * rivals < AT_ONCE:  # noqa: S311  no secret
            self.due_at, self.is_late = now, False
        elif self.due_at == math.inf:
            self.is_late = True
            share = _HEAD_START + (1 - _HEAD_START) * random.random()  # noqa: S311  as above
            self.due_at = now + share * min(rivals * _EACH_S, LONGEST_S)

    def begin_look(self) -> list[str]:
        """Record that the worker looks now.

        Returns:
            The handlers whose work was announced.
        """
        self.due_at = math.inf
        announced, self._announced = sorted(self._announced), set()
        return announced

    def record_look(self, announced: Sequence[str], *, workers: int, has_found: bool, now: float) -> None:
        """Record what came of a look.

        Args:
            announced: What `begin_look` returned.
            workers: As for `record_wake_up`.
            has_found: Whether it brought a batch.
            now: The monotonic clock.
        """
        self._has_found = has_found
        if not has_found and workers > AT_ONCE:
            self.uncounted = [
                handler for handler in announced if now - self._counted_at.get(handler, -math.inf) >= COUNT_S
            ]

    def record_count(self, handler: str, idle: int, now: float) -> None:
        """Record how many workers with a handler are idle.

        Args:
            idle: How many.
            now: The monotonic clock.
        """
        self._idle[handler], self._counted_at[handler] = idle, now
        self.uncounted.remove(handler)
