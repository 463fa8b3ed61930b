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

    Who found work of a handler the last time looks at once: there may be few who could take it.
    """

    def __init__(self) -> None:
        self.due_at = math.inf
        """Monotonic time at which to look; infinite if no notification asks for it."""
        self.is_late = False
        """Whether others looked before, so that most likely nothing is left to claim."""
        self._announced: set[str] = set()
        self._found: set[str] = set()
        self._missed: set[str] = set()
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
        has_found = not self._found.isdisjoint(handlers)
        if has_found or random.random() * rivals < AT_ONCE:  # noqa: S311  no secret
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

    def record_look(self, announced: Sequence[str], *, has_found: bool) -> None:
        """Record what came of a look.

        Args:
            announced: What `begin_look` returned.
            has_found: Whether it brought a batch.
        """
        if has_found:
            self._found.update(announced)
        else:
            self._found.difference_update(announced)
            self._missed.update(announced)

    def begin_count(self, handlers: Sequence[str], *, workers: int, now: float) -> list[str]:
        """Say whose idle workers to count: of handlers that never were, and of those whose work others took.

        Args:
            handlers: All handlers of this worker.
            workers: As for `record_wake_up`.
            now: The monotonic clock.

        Returns:
            Those to count now, each followed by `record_count` unless that fails.
        """
        if workers <= AT_ONCE:
            return []
        due = [
            handler
            for handler in handlers
            if handler not in self._counted_at
            or (handler in self._missed and now - self._counted_at[handler] >= COUNT_S)
        ]
        self._missed.difference_update(due)
        self._counted_at.update(dict.fromkeys(due, now))
        return due

    def record_count(self, handler: str, idle: int) -> None:
        """Record how many workers with a handler are idle.

        Args:
            idle: How many.
        """
        self._idle[handler] = idle
