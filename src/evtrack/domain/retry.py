"""The policy of a job: what is retried, how often, and after which delay."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, model_validator

_EXPONENT_BOUND: Final = 60
"""2 ** 60 seconds is longer than any cap; a larger exponent would overflow a float."""


class FailureKind(StrEnum):
    """The three ways an attempt can fail; each has its own budget."""

    ERROR = "error"
    CRASH = "crash"
    LOSS = "loss"


class Policy(BaseModel):
    """Budgets, backoff and limits of a job, as its ``created`` event records them.

    Args:
        max_errors: Attempts that may end with an exception; the last of them fails the batch.
        max_crashes: Attempts that may end with a dead process.
        max_losses: Attempts that may end with a lost worker.
        max_alerts: Alerts of one kind that are delivered one by one in a minute; the others are counted.
        backoff_s: Delay after the first error; doubles with each further one.
        backoff_max_s: The longest delay.
        per_item: Whether the handler takes items one by one; None when unknown.
        timeout_s: Longest run of a batch.
        stall_s: Longest silence of a handler.
        max_rss_bytes: Most memory a slot may hold.
        start_within_s: How long a batch may wait although slots are free, or no worker offers its handler.
        traceparent: The trace that submitted the job, as W3C Trace Context writes it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    max_errors: NonNegativeInt = 3
    max_crashes: NonNegativeInt = 2
    max_losses: NonNegativeInt = 5
    max_alerts: NonNegativeInt = 60
    backoff_s: NonNegativeFloat = 1.0
    backoff_max_s: NonNegativeFloat = 300.0
    per_item: bool | None = None
    timeout_s: NonNegativeFloat | None = None
    stall_s: NonNegativeFloat | None = None
    max_rss_bytes: NonNegativeInt | None = None
    start_within_s: NonNegativeFloat = 60.0
    traceparent: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, data: Any) -> Any:
        # Clients in other languages write null for a setting that they leave out; it means the default.
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    def budget(self, kind: FailureKind) -> int:
        """Return the number of failures of a kind at which the batch is given up.

        Returns:
            The budget.
        """
        return {
            FailureKind.ERROR: self.max_errors,
            FailureKind.CRASH: self.max_crashes,
            FailureKind.LOSS: self.max_losses,
        }[kind]

    def delay(self, kind: FailureKind, *, count: int, jitter: float) -> float | None:
        """Decide what follows a failure.

        Args:
            count: How many of this kind the batch has had, this one included.
            jitter: A random number in [0, 1), so that batches that failed together do not return together.

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
        if count >= self.budget(kind):
            return None
        if kind is not FailureKind.ERROR:
            # A crash or a lost worker is not caused by an overloaded service; waiting would not help.
            return 0.0
        full: float = min(self.backoff_max_s, self.backoff_s * 2.0 ** min(count - 1, _EXPONENT_BOUND))
        return full * (0.5 + jitter / 2)
