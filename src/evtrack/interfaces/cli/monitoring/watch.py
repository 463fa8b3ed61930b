"""`evtrack watch`: deliver alerts, as lines on stdout, to a program, to a URL and to Slack."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from evtrack.config import watch_settings_from
from evtrack.domain.alerts.thresholds import Thresholds
from evtrack.domain.errors import BadArgument, NotInstalled, OutputLost
from evtrack.interfaces.cli.shared.exit_codes import INTERRUPTED
from evtrack.interfaces.cli.shared.options import checked, lost_worker_options, with_dsn
from evtrack.interfaces.cli.shared.parameter_types import (
    COUNT,
    PAUSE,
    PERCENT,
    POSITIVE_SECONDS,
    Integer,
    Number,
    TimeWindow,
)
from evtrack.interfaces.cli.shared.signals import stop_on_signals
from evtrack.interfaces.logs import requested_format
from evtrack.interfaces.terminal.reports.alerts import alert_line
from evtrack.runtime.watch.exec_sink import ExecSink
from evtrack.runtime.watch.slack_sink import SlackSink
from evtrack.runtime.watch.watcher import Watcher
from evtrack.runtime.watch.webhook_sink import WebhookSink
from evtrack.storage.connection.preconditions import require_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evtrack.config import WatchSettings
    from evtrack.domain.alerts.alert import Alert
    from evtrack.runtime.watch.sink import Sink

_LOOPBACK: Final = "127.0.0.1"
_THRESHOLDS: Final = Thresholds()


@click.command()
@click.option("--once", is_flag=True, help="Deliver pending alerts, then exit; for cron.")
@click.option("--exec", metavar="PROGRAM", help="Program that gets each alert as a JSON line on stdin.")
@click.option(
    "--webhook",
    metavar="URL",
    help="URL that each alert is posted to. Prefer EVTRACK_WATCH_WEBHOOK, which other users cannot see.",
)
@click.option(
    "--webhook-secret-file",
    type=click.Path(dir_okay=False),
    help="File with the secret that signs webhook requests.  [default: EVTRACK_WEBHOOK_SECRET]",
)
@click.option(
    "--slack",
    metavar="URL",
    help="Incoming webhook of Slack that gets each alert as a message. Prefer EVTRACK_WATCH_SLACK.",
)
@click.option(
    "--keep-trying",
    type=TimeWindow(),
    help="How long to retry a delivery to these when it fails.  [default: 24h]",
)
@click.option(
    "--no-worker",
    type=POSITIVE_SECONDS,
    help="Alert when batches wait this long without a worker for them; a job with a --start-within above 60 has that "
    f"time.  [default: {_THRESHOLDS.no_worker_s:g}]",
)
@click.option(
    "--never-started",
    type=POSITIVE_SECONDS,
    help=f"Alert when batches wait this long although slots are free.  [default: {_THRESHOLDS.never_started_s:g}]",
)
@click.option(
    "--max-crash-rate",
    type=PERCENT,
    help=f"Alert when a handler's crash rate is higher.  [default: {_THRESHOLDS.max_crash_rate:g}]",
)
@click.option(
    "--crash-window",
    type=POSITIVE_SECONDS,
    help=f"Time over which the crash rate is measured.  [default: {_THRESHOLDS.crash_span_s:g}]",
)
@click.option(
    "--least-attempts",
    type=COUNT,
    help=f"Attempts needed to judge a crash rate or a run time.  [default: {_THRESHOLDS.least_attempts}]",
)
@click.option(
    "--max-pending",
    type=COUNT,
    help=f"Alert when a handler has more pending batches.  [default: {_THRESHOLDS.max_pending}]",
)
@click.option(
    "--runs-long",
    type=POSITIVE_SECONDS,
    help=f"Alert when an item has run for this long, and longer than usual.  [default: {_THRESHOLDS.runs_long_s:g}]",
)
@click.option(
    "--runs-long-factor",
    type=Number(1, 1_000_000, "FACTOR"),
    help="How many times as long as 99 of 100 others of its handler is longer than usual."
    f"  [default: {_THRESHOLDS.runs_long_factor:g}]",
)
@click.option(
    "--web-url",
    metavar="URL",
    help="Where `evtrack web` is found: each alert gets a link to its page.  [default: EVTRACK_WEB_URL]",
)
@click.option("--poll", type=PAUSE, help="Time between polls when no wake-up arrives.  [default: 1]")
@click.option("--name", help="Name of the watcher.  [default: host:pid]")
@lost_worker_options
@click.option(
    "--metrics-port", type=Integer(0, 65535), help="Serve metrics for Prometheus on this port; 0 chooses a free one."
)
@click.option("--metrics-host", metavar="ADDRESS", help=f"Address to serve metrics on.  [default: {_LOOPBACK}]")
@with_dsn(waits=True)
def watch(
    dsn: str,
    /,
    *,
    once: bool,
    lose_grace: float,
    lease: float,
    metrics_port: int | None,
    metrics_host: str | None,
    **flags: Any,
) -> None:
    """Print each alert as a line on stdout.

    Alerts are crashes, poison items, failed batches, lost workers, jobs that were abandoned or finished with errors,
    and exceeded thresholds; docs/alerts.md describes them.

    Any number of watchers share the work, and each alert is delivered by one of them, including alerts raised while no
    watcher was running. An alert is delivered twice only if a watcher is killed after it delivered the alert but before
    it recorded that. Like a worker, a watcher also declares workers lost, finishes jobs and creates partitions.

    Each alert then also goes to --exec, --webhook and --slack. What one of these does not accept is retried for
    --keep-trying, by any watcher that has it; `evtrack alerts` shows it.

    Options can also be set in the environment: EVTRACK_WATCH_MAX_PENDING, for example. SIGTERM or Ctrl-C stops the
    watcher; after a second signal, it does not wait for --exec, --webhook and --slack.

    \b
    evtrack watch | tee -a alerts.jsonl
    evtrack watch --once --exec ./page-me
    """  # noqa: D301  # \b makes click keep these lines as they are
    settings = watch_settings_from(**flags)
    # The watcher itself would wait for the right.
    checked(dsn, lambda conn: require_call(conn, "take_alerts"), waits=not once)
    watcher = Watcher(
        dsn=dsn,
        write=_stdout_writer(),
        sinks=_sinks(settings),
        keep_trying_s=settings.keep_trying,
        thresholds=Thresholds(
            never_started_s=settings.never_started,
            max_crash_rate=settings.max_crash_rate,
            crash_span_s=settings.crash_window,
            least_attempts=settings.least_attempts,
            max_pending=settings.max_pending,
            runs_long_s=settings.runs_long,
            runs_long_factor=settings.runs_long_factor,
            no_worker_s=settings.no_worker,
        ),
        web_url=settings.web_url,
        name=settings.name,
        poll_s=settings.poll,
        grace_s=lose_grace,
        lease_s=lease,
    )
    hint = "Stopping. Press Ctrl-C again to stop without waiting for --exec, --webhook and --slack."
    with (
        serving_metrics(dsn, port=metrics_port, host=metrics_host),
        stop_on_signals(watcher.stop, hint=hint) as received,
    ):
        watcher.once() if once else watcher.run()
    if received.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


@contextmanager
def serving_metrics(dsn: str, *, port: int | None, host: str | None) -> Iterator[None]:
    """Serve metrics for Prometheus while the block runs.

    Args:
        port: The port; None to serve nothing.
        host: The address; None for the loopback address.

    Yields:
        Nothing.

    Raises:
        NotInstalled: The package that serves metrics is not installed.
        BadArgument: There is no port, or metrics cannot be served on it.
    """
    if port is None:
        if host is not None:
            raise BadArgument("--metrics-host needs --metrics-port.")
        yield
        return
    try:
        from evtrack.runtime.watch.metrics import MetricsServer  # noqa: PLC0415  an extra, needed only now
    except ImportError:
        raise NotInstalled("--metrics-port", extra="metrics") from None
    server = MetricsServer(dsn=dsn, port=port, host=host or _LOOPBACK)
    server.start()
    try:
        yield
    finally:
        server.stop()


def _sinks(settings: WatchSettings) -> list[Sink]:
    sinks: list[Sink] = []
    if settings.exec:
        sinks.append(ExecSink(settings.exec))
    if settings.webhook:
        sinks.append(WebhookSink(settings.webhook, secret=settings.secret()))
    if settings.slack:
        sinks.append(SlackSink(settings.slack))
    return sinks


def _stdout_writer() -> Callable[[Alert], None]:
    log_format = requested_format()
    as_text = log_format == "console" or (log_format == "auto" and sys.stdout.isatty())

    def write(alert: Alert) -> None:
        line = alert_line(alert) if as_text else alert.text()
        try:
            # The line and its end in one write, so that several watchers can share a pipe.
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (OutputLost, BrokenPipeError) as error:
            raise OutputLost(
                error.reason if isinstance(error, OutputLost) else error.strerror or str(error),
                what="The alerts",
                hint="Another watcher, or the next one, will deliver the alerts that were not written.",
            ) from None

    return write
