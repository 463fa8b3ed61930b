"""`evtrack health`: the state of the whole system, with an exit code for monitoring."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from evtrack.domain.alerts.thresholds import Thresholds
from evtrack.interfaces.cli.shared.options import json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import COUNT, PERCENT, TimeWindow
from evtrack.interfaces.terminal import tables
from evtrack.interfaces.terminal.drawing import section, show
from evtrack.interfaces.terminal.reports.health import health_report
from evtrack.interfaces.words.verdict import system_verdict
from evtrack.runtime.doctor.findings import MAX_ALERT_LAG_S
from evtrack.storage.monitoring.alert_outbox import undelivered_alerts
from evtrack.storage.reports import batch_reports, system_health

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection

UNHEALTHY: Final = 2
WRONG_USAGE: Final = 64
_LATEST: Final = 5
_THRESHOLDS: Final = Thresholds()


class HealthCommand(click.Command):
    """A command whose exit code 2 means unhealthy, so that wrong usage needs another one."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments, with the other exit code for wrong usage."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            error.exit_code = WRONG_USAGE  # type: ignore[misc]  # click declares it for the class, reads it from here
            raise


@click.command(cls=HealthCommand)
@click.option(
    "--window", "span_s", type=TimeWindow(), default="24h", show_default=True, help="Time to look back: 90s, 30m, 24h."
)
@click.option(
    "--max-crash-rate",
    type=PERCENT,
    default=5.0,
    help="Unhealthy if more than this percentage of attempts crash.  [default: 5]",
)
@click.option(
    "--least-attempts",
    type=COUNT,
    default=_THRESHOLDS.least_attempts,
    show_default=True,
    help="Attempts needed to judge the crash rate.",
)
@click.option(
    "--max-alert-lag",
    "max_lag_s",
    type=TimeWindow(),
    default=f"{MAX_ALERT_LAG_S:.0f}s",
    show_default=True,
    help="Unhealthy if an alert waits longer than this for a watcher: 90s, 30m, 24h.",
)
@json_option
@with_connection("health")
def health(
    conn: Connection, *, span_s: float, max_crash_rate: float, least_attempts: int, max_lag_s: float, as_json: bool
) -> None:
    """Report whether the whole system is healthy.

    Made for cron, container health checks and monitoring systems. The first table counts attempts that ended in the
    window: a batch that crashed and later completed is one crash and one completion. Attempts of lost workers are
    counted separately: a lost worker is an alert, not a crash. The second table shows the current state of all jobs
    created in the window, by items and batches.

    Exit codes: 0 healthy; 2 unhealthy: the crash rate is above --max-crash-rate, a job is overdue because no worker
    offers its handler or although slots are free, or an alert has waited longer than --max-alert-lag because no watcher
    is running. If health cannot be determined: 1 error; 4 the schema does not fit this evtrack; 5 no connection; 64
    wrong usage.
    """
    found = system_health.health(conn, span_s=span_s)
    sums = system_health.recent_sums(conn, span_s=span_s)
    crashes = batch_reports.latest_crashes(conn, span_s=span_s, limit=_LATEST)
    undelivered = undelivered_alerts(conn)
    verdict = system_verdict(
        found,
        undelivered,
        span_s=span_s,
        max_crash_rate=max_crash_rate,
        least_attempts=least_attempts,
        max_alert_lag_s=max_lag_s,
    )
    if as_json:
        print_json(
            {
                "healthy": verdict.healthy,
                **asdict(found),
                "crash_rate_pct": round(found.crash_rate_pct, 3),
                "max_crash_rate_pct": max_crash_rate,
                "least_attempts": least_attempts,
                "alerts_undelivered": undelivered.undelivered,
                "alerts_lag_s": undelivered.lag_s,
                "max_alert_lag_s": max_lag_s,
                "window_s": span_s,
                "created": asdict(sums),
                "latest_crashes": [asdict(crash) for crash in crashes],
            }
        )
    else:
        show(health_report(found, sums, verdict, span_s=span_s))
        if crashes:
            show(section("Latest crashes", tables.crashes_table(crashes, with_job=True, with_items=True)))
    raise click.exceptions.Exit(0 if verdict.healthy else UNHEALTHY)
