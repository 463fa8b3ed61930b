"""What fails again and again: it is tried less and less often, and logged once in a while."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.runtime.backoff import backoff_s

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_EVERY_S: Final = 10.0
"""How often a failure that goes on is logged; the first one is logged at once."""


class RepeatedFailure:
    """Counts failures that follow each other.

    Args:
        log: Writes a log line with the keys that it is given.
        first_s: The pause after the first failure.
        longest_s: The longest pause.
    """

    def __init__(self, log: Callable[..., None], *, first_s: float, longest_s: float) -> None:
        self.count = 0
        """How many failures there were since the last success."""
        self._write, self._first_s, self._longest_s = log, first_s, longest_s
        self._log_at = 0.0

    def reset(self) -> None:
        """Record a success."""
        self.count = 0
        self._log_at = 0.0

    def record(self, error: Exception) -> float:
        """Record a failure, and log it if it is time.

        Args:
            error: Why it failed.

        Returns:
            How long to wait before the next try, in seconds.
        """
        self.count += 1
        pause_s = backoff_s(self.count, first_s=self._first_s, longest_s=self._longest_s)
        now = monotonic()
        if now >= self._log_at:
            self._log_at = now + LOG_EVERY_S
            self._write(error=str(error), failures=self.count, retry_in_s=round(pause_s, 2))
        return pause_s
