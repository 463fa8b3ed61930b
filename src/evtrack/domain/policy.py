"""The policy of a job: its budgets, its backoff and its limits."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, model_validator


class Policy(BaseModel):
    """Budgets, backoff and limits of a job, as its ``created`` event records them.

    Args:
        max_errors: Attempts that may end with an exception; the last of them fails the batch.
        max_crashes: Attempts that may end with a dead process.
        max_losses: Losses of a worker that ran nothing else, after which the item in hand is poison.
        max_alerts: Alerts of one kind that are delivered one by one in a minute; the others are counted.
        backoff_s: Delay after the first error; doubles with each further one.
        backoff_max_s: The longest delay.
        per_item: Whether the handler takes items one by one; None when unknown.
        timeout_s: Longest run of a batch.
        stall_s: Longest silence of a handler.
        max_rss_bytes: Most memory a slot may hold.
        max_rss_alone_bytes: The same for a batch that has its worker for itself because of its memory.
        start_within_s: How long a batch may wait although slots are free, or no worker offers its handler.
        traceparent: The trace that submitted the job, as W3C Trace Context writes it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    max_errors: NonNegativeInt = 3
    max_crashes: NonNegativeInt = 2
    max_losses: NonNegativeInt = 2
    max_alerts: NonNegativeInt = 60
    backoff_s: NonNegativeFloat = 1.0
    backoff_max_s: NonNegativeFloat = 300.0
    per_item: bool | None = None
    timeout_s: NonNegativeFloat | None = None
    stall_s: NonNegativeFloat | None = None
    max_rss_bytes: NonNegativeInt | None = None
    max_rss_alone_bytes: NonNegativeInt | None = None
    start_within_s: NonNegativeFloat = 60.0
    traceparent: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, data: Any) -> Any:
        # Clients in other languages write null for a setting that they leave out; it means the default.
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data
