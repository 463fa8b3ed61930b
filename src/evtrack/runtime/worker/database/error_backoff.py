"""How long a worker leaves the database alone after an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.runtime.backoff import backoff_s

if TYPE_CHECKING:
    from evtrack.domain.errors import EvtrackError

_FIRST_S: Final = 0.02
_LONGEST_S: Final = 5.0

_log = structlog.get_logger()


class ErrorBackoff:
    """Counts errors that follow each other, and pauses longer after each."""

    def __init__(self) -> None:
        self.failures = 0
        """How many errors there were since the last success."""
        self.retry_at = 0.0
        """Monotonic time until which to pause."""

    def reset(self) -> None:
        """Record a success."""
        self.failures = 0

    def record(self, error: EvtrackError, now: float) -> None:
        """Record an error.

        Args:
            now: The monotonic clock.
        """
        self.failures += 1
        pause_s = backoff_s(self.failures, first_s=_FIRST_S, longest_s=_LONGEST_S)
        self.retry_at = now + pause_s
        _log.warning(log_names.DATABASE_ERROR, error=str(error), failures=self.failures, retry_in_s=round(pause_s, 2))
