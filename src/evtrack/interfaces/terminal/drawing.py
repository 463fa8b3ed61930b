"""What all drawings share: the console, colours, tables and harmless cells, for terminals from 80 columns on."""

import sys

import click
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from evtrack.domain.states import BatchStatus as Status
from evtrack.domain.states import JobPhase
from evtrack.domain.text import printable
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


def stdout() -> Console:
    """Return a console on stdout: colours on a terminal only, no markup in what it prints."""
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=False)


def drawable() -> bool:
    """Tell whether stderr is for people who look at it now, so that bars may be drawn there."""
    return sys.stderr.isatty() and not only_json()


def show(renderable: RenderableType) -> None:
    """Print to stdout.

    Args:
        renderable: What rich can draw.
    """
    console = stdout()
    with console.capture() as capture:
        console.print(renderable)
    # Through click, which tests can catch; trailing blanks of table cells help nobody.
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), color=console.is_terminal)


def table(*names: str, right: str = "", flexible: str = "") -> Table:
    """Begin a table.

    Args:
        *names: The columns' heads.
        right: Those of them that stand to the right, spaces in a name as hyphens.
        flexible: Those that give way where the terminal is too narrow.

    Returns:
        The table, without rows.
    """
    # Where the terminal is too narrow, only flexible columns give way: a number that is cut is a wrong number.
    rightmost, giving = right.split(), flexible.split()
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in names:
        word = name.replace(" ", "-")
        drawn.add_column(
            name, justify="right" if word in rightmost else "left", no_wrap=word not in giving, overflow="ellipsis"
        )
    return drawn


def cell(text: str, style: str = "") -> Text:
    """Make a cell of text from outside: harmless, on one line, cut where the column ends."""
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")


def state(phase: str, *, suspended: bool) -> Text:
    """Write a job's phase, and beside it whether it is suspended."""
    text = Text(phase, style=STYLES.get(phase, ""))
    return text.append(", suspended", style="yellow") if suspended else text
