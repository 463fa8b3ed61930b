"""`evtrack watch`: tell people what went wrong, as lines that programs can read."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from evtrack.domain.errors import EvtrackError
from evtrack.interfaces.cli.metrics import metrics_options, serving_metrics
from evtrack.interfaces.cli.options import located
from evtrack.interfaces.cli.stopping import stopping
from evtrack.interfaces.cli.work import INTERRUPTED
from evtrack.runtime.watch.watcher import POLL_S, Watcher

if TYPE_CHECKING:
    from evtrack.domain.alerts import Alert


@click.command()
@click.option("--name", default="", help="What people call this watcher [host:pid].")
@click.option(
    "--poll",
    type=click.FloatRange(0, min_open=True),
    default=POLL_S,
    help="Seconds between two looks when no wake-up comes [1].",
)
@metrics_options
@located()
def watch(dsn: str, /, **options: Any) -> None:
    """Write an alert a line to stdout: crashes, poison items, failed batches, lost workers, jobs that ended badly.

    Any number of watchers share the work: each alert is written by one of them, also what happened while none ran.
    An alert is written again only when a watcher is killed between writing and marking it.
    """
    watcher = Watcher(dsn=dsn, write=_write, name=options["name"], poll_s=options["poll"])
    with serving_metrics(dsn, options), stopping(watcher.stop, hint="Stopping.") as came:
        watcher.run()
    if came.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


def _write(alert: Alert) -> None:
    try:
        # The line and its end in one write: lines of several watchers into one pipe stay whole.
        sys.stdout.write(json.dumps(alert.line(), ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise EvtrackError(
            "Nobody reads stdout any more.", hint="What was not written is left to other watchers, or to the next one."
        ) from None
