"""`evtrack watch`: tell people what went wrong, as lines that programs can read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from evtrack.config import watch_settings_from
from evtrack.domain.column_limits import BIGINT_MAX
from evtrack.domain.errors import OutputLost
from evtrack.interfaces.cli.monitoring.metrics_options import metrics_options, serving_metrics
from evtrack.interfaces.cli.shared.exit_codes import INTERRUPTED
from evtrack.interfaces.cli.shared.number_types import PAUSE, PERCENT, SECONDS, SOME_SECONDS
from evtrack.interfaces.cli.shared.options import located
from evtrack.interfaces.cli.shared.stopping import stopping
from evtrack.interfaces.logs import asked_format
from evtrack.interfaces.terminal.reports.alerts import alert_line
from evtrack.runtime.maintenance import GRACE_S, LEASE_S
from evtrack.runtime.watch.exec_sink import ExecSink
from evtrack.runtime.watch.watcher import Watcher
from evtrack.runtime.watch.webhook_sink import WebhookSink
from evtrack.storage.monitoring.alert_outbox import Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.config import WatchSettings
    from evtrack.domain.alerts import Alert
    from evtrack.runtime.watch.sink_thread import Sink


@click.command()
@click.option("--once", is_flag=True, help="Tell what is there, and leave; for cron.")
@click.option("--exec", metavar="PROGRAM", help="A program that gets each alert as a line of JSON on stdin.")
@click.option("--webhook", metavar="URL", help="A URL that each alert is posted to; better EVTRACK_WATCH_WEBHOOK.")
@click.option(
    "--webhook-secret-file",
    type=click.Path(dir_okay=False),
    help="The file with the secret that signs these requests; else EVTRACK_WEBHOOK_SECRET.",
)
@click.option("--never-started", type=SOME_SECONDS, help="Tell of batches that wait so long beside free slots [60].")
@click.option("--max-crash-rate", type=PERCENT, help="Tell of handlers above these percents [5].")
@click.option("--crash-window", type=SOME_SECONDS, help="Seconds over which that is counted [3600].")
@click.option(
    "--least-attempts", type=click.IntRange(0, BIGINT_MAX), help="Attempts of which that is counted at least [20]."
)
@click.option(
    "--max-pending", type=click.IntRange(0, BIGINT_MAX), help="Tell of handlers with more batches pending [100000]."
)
@click.option("--poll", type=PAUSE, help="Seconds between two looks when no wake-up comes [1].")
@click.option("--name", help="What people call this watcher [host:pid].")
@click.option(
    "--lose-grace",
    type=SECONDS,
    default=GRACE_S,
    help="Seconds that a worker's session may be gone before it is lost [5].",
)
@click.option(
    "--lease",
    type=SOME_SECONDS,
    default=LEASE_S,
    help="Seconds that a worker's heartbeat may be old before it is lost [30].",
)
@metrics_options
@located()
def watch(dsn: str, /, *, once: bool, lose_grace: float, lease: float, **flags: Any) -> None:
    """Write an alert a line to stdout: crashes, poison items, failed batches, lost workers, jobs that ended badly.

    Any number of watchers share the work: each alert is written by one of them, also what happened while none ran.
    An alert is written again only when a watcher is killed between writing and marking it. docs/alerts.md has the
    schema of each line. A watcher also declares workers lost, finishes jobs and makes partitions, as workers do.

    Each option may be given as EVTRACK_WATCH_MAX_PENDING and so on. SIGTERM or Ctrl-C ends it; a second one does not
    wait for --exec and --webhook.

    \b
    evtrack watch | tee -a alerts.jsonl
    evtrack watch --once --exec ./page-me
    """  # noqa: D301  # click's mark for lines that are to stay as they are
    metrics = {name: flags.pop(name) for name in ("metrics_port", "metrics_host")}
    told = watch_settings_from(**flags)
    watcher = Watcher(
        dsn=dsn,
        write=_writer(),
        sinks=_sinks(told),
        thresholds=Thresholds(
            never_started_s=told.never_started,
            max_crash_rate=told.max_crash_rate,
            crash_span_s=told.crash_window,
            least_attempts=told.least_attempts,
            max_pending=told.max_pending,
        ),
        name=told.name,
        poll_s=told.poll,
        grace_s=lose_grace,
        lease_s=lease,
    )
    hint = "Stopping. Once more does not wait for --exec and --webhook."
    with serving_metrics(dsn, metrics), stopping(watcher.stop, hint=hint) as came:
        watcher.once() if once else watcher.run()
    if came.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


def _sinks(told: WatchSettings) -> list[Sink]:
    sinks: list[Sink] = []
    if told.exec:
        sinks.append(ExecSink(told.exec))
    if told.webhook:
        sinks.append(WebhookSink(told.webhook, secret=told.secret()))
    return sinks


def _writer() -> Callable[[Alert], None]:
    wanted = asked_format()
    for_people = wanted == "console" or (wanted == "auto" and sys.stdout.isatty())

    def write(alert: Alert) -> None:
        line = alert_line(alert) if for_people else alert.text()
        try:
            # The line and its end in one write: lines of several watchers into one pipe stay whole.
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (OutputLost, BrokenPipeError) as error:
            raise OutputLost(
                error.reason if isinstance(error, OutputLost) else error.strerror or str(error),
                what="The alerts",
                hint="What was not written is left to other watchers, or to the next one.",
            ) from None

    return write
