"""`evtrack doctor`: check everything that evtrack needs, and what to do about each problem."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.options import json_option, print_json, with_dsn
from evtrack.interfaces.cli.shared.parameter_types import POSITIVE_SECONDS
from evtrack.interfaces.terminal.drawing import show
from evtrack.runtime.doctor.checkup import checkup
from evtrack.runtime.doctor.findings import Finding, Level

wall_clock = time.time
"""The clock of this machine."""

_STYLES: Final = {Level.OK: "green", Level.NOTE: "yellow", Level.PROBLEM: "bold red"}


@click.command()
@click.option("--canary/--no-canary", default=True, help="Whether to send a test batch through a live worker.")
@click.option(
    "--canary-timeout",
    type=POSITIVE_SECONDS,
    default=10.0,
    help="Time in which the test batch must complete.  [default: 10]",
)
@json_option
@with_dsn(schema=False)
def doctor(dsn: str, /, *, canary: bool, canary_timeout: float, as_json: bool) -> None:
    """Check everything that evtrack needs.

    Checks the server and its settings, clocks, NOTIFY, old transactions, migrations, roles, partitions, workers,
    waiting jobs and alerts, and sends a test batch that does nothing through a live worker. For each problem, prints
    what to do.

    Exit codes: 0 no problems; 1 problems.
    """
    findings = checkup(dsn, canary_s=canary_timeout if canary else None, wall_clock=wall_clock)
    if as_json:
        found = list(findings)
        healthy = all(finding.level is not Level.PROBLEM for finding in found)
        print_json({"ok": healthy, "findings": [asdict(finding) for finding in found]})
    else:
        healthy = True
        for finding in findings:
            healthy = healthy and finding.level is not Level.PROBLEM
            show(_row(finding))
    raise click.exceptions.Exit(0 if healthy else 1)


def _row(finding: Finding) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=7)
    grid.add_column(width=10)
    grid.add_column()
    text = Text(printable(finding.message))
    if finding.next:
        text.append(f"\n-> {printable(finding.next)}", style="cyan")
    grid.add_row(Text(finding.level, style=_STYLES[finding.level]), finding.check, text)
    return grid
