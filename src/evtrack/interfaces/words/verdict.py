"""Judge the whole system in words: whether it is healthy, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evtrack.interfaces.words.formatting import count, counted, duration, percentage, window

if TYPE_CHECKING:
    from evtrack.storage.monitoring.alert_outbox import Undelivered
    from evtrack.storage.reports.system_health import Health


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the system is healthy, and the facts that this follows from.

    Args:
        healthy: Whether nothing is wrong.
        facts: Sentences without a full stop; what makes the system unhealthy comes first.
    """

    healthy: bool
    facts: tuple[str, ...]

    def __str__(self) -> str:
        """Return the verdict and its facts, a line each."""
        return f"{'healthy' if self.healthy else 'unhealthy'}: " + "\n".join(self.facts)


def system_verdict(
    health: Health,
    undelivered: Undelivered,
    *,
    span_s: float,
    max_crash_rate: float,
    least_attempts: int,
    max_alert_lag_s: float,
) -> Verdict:
    """Judge the whole system.

    Args:
        health: The attempts in the window, the queue and the workers.
        undelivered: The alerts that wait for a watcher.
        span_s: The length of the window.
        max_crash_rate: The highest healthy percentage of attempts that crash.
        least_attempts: The attempts below which the rate is not judged.
        max_alert_lag_s: How long an alert may wait for a watcher.
    """
    too_often = health.crashes_too_often(max_crash_rate, least_attempts)
    within = health.crash_rate_pct <= max_crash_rate
    judged = f"{'above' if too_often else 'within'} {max_crash_rate:g} %"
    rate = f"{percentage(health.crash_rate_pct)} of the attempts in the last {window(span_s)} crashed, " + (
        judged if within or too_often else f"of only {count(health.attempts)}"
    )
    faults = _faults(health, undelivered, max_alert_lag_s)
    facts = [rate, *faults] if too_often else [*faults, rate]
    return Verdict(healthy=not too_often and not faults, facts=tuple(facts))


def _faults(health: Health, undelivered: Undelivered, max_alert_lag_s: float) -> list[str]:
    faults = []
    if undelivered.lag_s > max_alert_lag_s:
        waiting = counted(undelivered.undelivered, "alert waits", "alerts wait")
        faults.append(f"{waiting} for a watcher, the oldest for {duration(undelivered.lag_s)}: evtrack watch")
    if health.overdue:
        overdue = counted(health.overdue, "job is", "jobs are")
        faults.append(f"{overdue} overdue, and no worker offers the handler: evtrack doctor")
    if health.never_started:
        overdue = counted(health.never_started, "job does", "jobs do")
        faults.append(f"{overdue} not start although slots are free: evtrack doctor")
    return faults
