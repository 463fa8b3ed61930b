"""The policy of a job: what may be tried again, how often, and how long to wait."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

_EXPONENT_BOUND: Final = 60
"""2 ** 60 seconds is past any cap; beyond it a float would overflow for absurd counts."""


class Mishap(StrEnum):
    """The three ways an attempt goes wrong; each has a budget of its own."""

    ERROR = "error"
    CRASH = "crash"
    LOSS = "loss"


class Policy(BaseModel):
    """Budgets, backoff and limits of a job, as its ``created`` event records them.

    Args:
        max_errors: Attempts that may end in an exception; the last of them fails the batch.
        max_crashes: Attempts that may end with a dead process.
        max_losses: Attempts that may end with a lost worker.
        backoff_s: Wait after the first error; doubles with each further one.
        backoff_max_s: The longest wait.
        per_item: Whether the handler takes items one by one; unknown when None.
        timeout_s: Longest run of a batch.
        stall_s: Longest silence of a handler.
        max_rss_bytes: Most memory a slot may hold.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    max_errors: PositiveInt = 3
    max_crashes: PositiveInt = 2
    max_losses: PositiveInt = 5
    backoff_s: float = Field(default=1.0, ge=0)
    backoff_max_s: float = Field(default=300.0, ge=0)
    per_item: bool | None = None
    timeout_s: PositiveFloat | None = None
    stall_s: PositiveFloat | None = None
    max_rss_bytes: PositiveInt | None = None

    def budget(self, mishap: Mishap) -> int:
        """Give the number of mishaps of this kind at which the batch is given up.

        Args:
            mishap: Which kind.

        Returns:
            The budget.
        """
        return {Mishap.ERROR: self.max_errors, Mishap.CRASH: self.max_crashes, Mishap.LOSS: self.max_losses}[mishap]

    def delay(self, mishap: Mishap, *, count: int, jitter: float) -> float | None:
        """Decide what follows a mishap.

        Args:
            mishap: What kind it was.
            count: How many of this kind the batch has had, this one included.
            jitter: A random number in [0, 1): retries that failed together must not come back together.

        Returns:
            Seconds until the batch may run again, or None to give it up.

        Raises:
            ValueError: The count is below 1 or the jitter outside [0, 1).
        """
        if count < 1:
            message = f"count must be at least 1, got {count}"
            raise ValueError(message)
        if not 0 <= jitter < 1:
            message = f"jitter must be in [0, 1), got {jitter}"
            raise ValueError(message)
        if count >= self.budget(mishap):
            return None
        if mishap is not Mishap.ERROR:
            # A crash or a lost worker says nothing of the outer world; waiting would not help.
            return 0.0
        full: float = min(self.backoff_max_s, self.backoff_s * 2.0 ** min(count - 1, _EXPONENT_BOUND))
        return full * (0.5 + jitter / 2)
