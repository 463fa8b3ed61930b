"""The thresholds of alerts about ongoing conditions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds at which ``evtrack.check_alerts()`` raises alerts, with their defaults.

    Args:
        never_started_s: How long batches may wait while slots are free.
        max_crash_rate: The percentage of a handler's attempts that may crash.
        crash_span_s: The time over which crashes are counted.
        least_attempts: The attempts below which neither the rate nor a run time is judged.
        max_pending: How many batches of a handler may be pending.
        runs_long_s: How long any item may run.
        runs_long_factor: How many times as long as 99 of 100 before it an item may run.
        no_worker_s: How long batches may wait although no worker offers their handler.
    """

    never_started_s: float = 60.0
    max_crash_rate: float = 5.0
    crash_span_s: float = 3600.0
    least_attempts: int = 20
    max_pending: int = 100_000
    runs_long_s: float = 60.0
    runs_long_factor: float = 10.0
    no_worker_s: float = 60.0
