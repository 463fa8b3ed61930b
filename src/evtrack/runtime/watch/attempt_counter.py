"""Counts attempts as the log grows: each exactly once, whatever the time between two reads."""

from __future__ import annotations

from collections import Counter, defaultdict
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.domain.database_errors import StorageError
from evtrack.storage.monitoring.metrics import attempts_between, horizon
from evtrack.storage.queue.queue import CANCELLED

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection

BOUNDS_S: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Upper bounds of the histogram of run times, in seconds."""

_BUDGET_S: Final = 1.0
_STEP: Final = 1 << 10
_STEP_MAX: Final = 1 << 24
_QUICK_S: Final = 0.1


class AttemptCounter:
    """Counts since it began; the counts only grow.

    It reads windows of transactions below the horizon, as every reader of the log does: what commits late is counted
    late, and nothing twice.
    """

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str]] = Counter()
        """By handler and outcome."""
        self.crashes: Counter[tuple[str, str]] = Counter()
        """By handler and cause."""
        self.buckets: Counter[tuple[str, int]] = Counter()
        """Completed attempts by handler and index in BOUNDS_S; the index after the last counts longer ones."""
        self.run_s: defaultdict[str, float] = defaultdict(float)
        """Seconds that completed attempts ran, by handler."""
        self.lag: int = 0
        """Transactions that could be counted but are not yet."""
        self._next: int | None = None
        self._step = _STEP

    def catch_up(self, connection: Connection) -> None:
        """Count what is new, for at most a second; the next call counts the rest.

        Args:
            connection: An open connection, in autocommit mode.
        """
        end = horizon(connection)
        at = self._next = end if self._next is None else self._next
        deadline = monotonic() + _BUDGET_S
        while at < end and monotonic() < deadline:
            begun = monotonic()
            window = min(at + self._step, end)
            try:
                counted = attempts_between(connection, at, window, bounds=BOUNDS_S)
            except StorageError as error:
                if error.sqlstate != CANCELLED or self._step == 1:
                    raise
                self._step = max(1, self._step // 8)
                continue
            for handler, outcome, cause, fits, count, run_s in counted:
                self.attempts[handler, outcome] += count
                if cause is not None:
                    self.crashes[handler, cause] += count
                if outcome == "completed" and fits is not None:
                    self.buckets[handler, len(BOUNDS_S) - fits] += count
                    self.run_s[handler] += run_s
            at = self._next = window
            if monotonic() - begun < _QUICK_S:
                self._step = min(self._step * 2, _STEP_MAX)
        self.lag = end - at
