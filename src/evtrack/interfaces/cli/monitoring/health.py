"""`evtrack health`: how the whole is doing, with an exit code for monitoring."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from evtrack.interfaces.cli.shared.number_types import PERCENT
from evtrack.interfaces.cli.shared.options import Span, connected, json_option, print_json
from evtrack.interfaces.terminal import tables
from evtrack.interfaces.terminal.drawing import show
from evtrack.interfaces.terminal.reports.health import health_report
from evtrack.interfaces.terminal.reports.job_report import section
from evtrack.interfaces.terminal.text import counted, duration
from evtrack.runtime.doctor.findings import MAX_ALERT_LAG_S
from evtrack.storage.monitoring.alert_outbox import undelivered_alerts
from evtrack.storage.reports import batch_reports, system_health

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection

UNHEALTHY: Final = 2
WRONG_USAGE: Final = 64
_LATEST: Final = 5


class Check(click.Command):
    """A command whose exit code 2 means something: wrong usage gets another one."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments as any command, but for the exit code."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            error.exit_code = WRONG_USAGE  # type: ignore[misc]  # click declares it for the class, reads it from here
            raise


@click.command(cls=Check)
@click.option("--window", "span_s", type=Span(), default="24h", show_default=True, help="How far back: 90s, 30m, 24h.")
@click.option(
    "--max-crash-rate",
    type=PERCENT,
    default=5.0,
    show_default=True,
    help="Crashed attempts in a hundred that are still healthy.",
)
@click.option(
    "--max-alert-lag",
    "max_lag_s",
    type=Span(),
    default=f"{MAX_ALERT_LAG_S:.0f}s",
    show_default=True,
    help="How long an alert may wait for a watcher: 90s, 30m, 24h.",
)
@json_option
@connected("health")
def health(conn: Connection, *, span_s: float, max_crash_rate: float, max_lag_s: float, as_json: bool) -> None:
    """Tell how the whole is doing: what completed, failed and crashed, what waits, and who works.

    A check for cron, a container or a monitoring system. Counted are attempts that ended in the window: a batch that
    crashed and was completed later is one crash and one completion. Below them stands what became of the items and
    batches of the jobs that were created in the window, whose items may have failed in an attempt that completed.

    Exit codes: 0 healthy; 2 the crash rate is above --max-crash-rate, or alerts wait for longer than --max-alert-lag as
    no watcher is at work. What keeps it from telling has other codes: 1 an error, 4 the schema does not fit, 5 no
    connection, 64 wrong usage.
    """
    found = system_health.health(conn, span_s=span_s)
    sums = system_health.recent_sums(conn, span_s=span_s)
    crashes = batch_reports.latest_crashes(conn, span_s=span_s, limit=_LATEST)
    undelivered, lag_s = undelivered_alerts(conn)
    late = lag_s > max_lag_s
    healthy = found.crash_rate_pct <= max_crash_rate and not late
    if as_json:
        rate = {"crash_rate_pct": round(found.crash_rate_pct, 3), "max_crash_rate_pct": max_crash_rate}
        latest = [asdict(crash) for crash in crashes]
        rate |= {"alerts_undelivered": undelivered, "alerts_lag_s": lag_s, "max_alert_lag_s": max_lag_s}
        more = {"window_s": span_s, "created": asdict(sums), "latest_crashes": latest}
        print_json({"healthy": healthy, **asdict(found), **rate, **more})
    else:
        waiting = counted(undelivered, "alert waits", "alerts wait")
        fault = f"{waiting} for a watcher, the oldest for {duration(lag_s)}: evtrack watch" if late else ""
        show(health_report(found, sums, span_s=span_s, max_crash_rate=max_crash_rate, healthy=healthy, fault=fault))
        if crashes:
            show(section("Latest crashes", tables.crashes_table(crashes, with_job=True, with_items=True)))
    raise click.exceptions.Exit(0 if healthy else UNHEALTHY)
