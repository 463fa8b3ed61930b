"""Draw on terminals from 80 columns on: consoles, colours, tables and cells."""

import sys
from typing import TextIO, cast

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from evtrack.domain.states import BatchStatus as Status
from evtrack.domain.states import JobPhase
from evtrack.domain.text import printable
from evtrack.interfaces.log_writer import QueuedStream
from evtrack.interfaces.logs import only_json

STYLES: dict[str, str] = {
    Status.PENDING: "dim",
    Status.RUNNING: "cyan",
    Status.COMPLETED: "green",
    Status.FAILED: "red",
    Status.CRASHED: "bold red",
    Status.SPLIT: "dim",
    Status.CANCELLED: "yellow",
    JobPhase.OPEN: "cyan",
    JobPhase.ABANDONED: "bold yellow",
    JobPhase.SEALED: "cyan",
    JobPhase.FINISHED: "green",
}
"""The styles of batch statuses and job phases."""


def stdout_console() -> Console:
    """Return a console on stdout: it has colours only on a terminal, and takes no markup."""
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=False)


def stderr_console() -> Console | None:
    """Return a console on stderr if a user watches it: a terminal, and no JSON log lines on it."""
    if only_json() or not sys.stderr.isatty():
        return None
    return Console(file=cast("TextIO", QueuedStream(sys.stderr)))


def show(renderable: RenderableType) -> None:
    """Print to stdout.

    Args:
        renderable: Anything that rich can draw.
    """
    console = stdout_console()
    with console.capture() as capture:
        console.print(renderable)
    # Through click, so that tests can capture it; without the blanks that pad the last column.
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), color=console.is_terminal)


def section(title: str, body: RenderableType) -> RenderableType:
    """Put a heading over a table."""
    return Group("", Text(title, style="bold"), body)


def table(*names: str, right: str = "", flexible: str = "") -> Table:
    """Create a table.

    Args:
        *names: The column headings.
        right: The headings of right-aligned columns, separated by blanks; a blank in a heading is written as a hyphen.
        flexible: The headings of columns that may be cut on a narrow terminal, in the same form.

    Returns:
        The table, without rows.
    """
    # Numbers are never cut: a number without its last digits is a wrong number.
    to_the_right, may_be_cut = right.split(), flexible.split()
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in names:
        word = name.replace(" ", "-")
        drawn.add_column(
            name,
            justify="right" if word in to_the_right else "left",
            no_wrap=word not in may_be_cut,
            overflow="ellipsis",
        )
    return drawn


def cell(text: str, style: str = "") -> Text:
    """Make a table cell of text from outside: printable, on one line, cut at the column's end."""
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")


def phase_text(phase: str, *, suspended: bool) -> Text:
    """Write a job's phase, and whether the job is suspended."""
    text = Text(phase, style=STYLES.get(phase, ""))
    return text.append(", suspended", style="yellow") if suspended else text
