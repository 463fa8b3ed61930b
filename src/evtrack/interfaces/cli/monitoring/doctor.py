"""`evtrack doctor`: look at everything that evtrack needs, and say what to do about what is wrong."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.number_types import SOME_SECONDS
from evtrack.interfaces.cli.shared.options import json_option, located, print_json
from evtrack.interfaces.terminal.drawing import show
from evtrack.runtime.doctor.checkup import checkup
from evtrack.runtime.doctor.findings import Finding, Level

wall_clock = time.time
"""This machine's clock."""

_STYLES: Final = {Level.OK: "green", Level.NOTE: "yellow", Level.PROBLEM: "bold red"}


@click.command()
@click.option("--canary/--no-canary", default=True, help="Whether to send a batch through a live worker.")
@click.option(
    "--canary-timeout",
    type=SOME_SECONDS,
    default=10.0,
    show_default=True,
    help="Seconds in which it must have run.",
)
@json_option
@located(schema=False)
def doctor(dsn: str, /, *, canary: bool, canary_timeout: float, as_json: bool) -> None:
    """Check everything that evtrack needs, and say of each problem what to do next.

    The server and its settings, clocks, NOTIFY, old transactions, migrations, roles, partitions, workers, what waits,
    alerts, and a batch that does nothing, through a live worker.

    Exit codes: 0 nothing is to be done; 1 something is.
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
            show(_drawn(finding))
    raise click.exceptions.Exit(0 if healthy else 1)


def _drawn(finding: Finding) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=7)
    grid.add_column(width=10)
    grid.add_column()
    said = Text(printable(finding.says))
    if finding.next:
        said.append(f"\n-> {printable(finding.next)}", style="cyan")
    grid.add_row(Text(finding.level, style=_STYLES[finding.level]), finding.check, said)
    return grid
