"""What a file of rows/ declares, and how its program reports.

Such a file is a program that the interpreter of any checkout runs, so that two checkouts are measured by the same
program in the same run: `PYTHONPATH=bench DIR/.venv/bin/python -P bench/rows/NAME.py SERVER '{"parameter": ...}'`. It
creates a database of its own, checks that the work was done, and prints one JSON object of figures. It depends only on
evtrack's commands, SQL and Python API, and on the modules of support/ that say so.

`ROW` declares with which parameters `bin/bench all` runs it, and what of it becomes a line of the table.
"""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

By = Literal["evtrack", "once", "peer"]


@dataclass(frozen=True)
class Run:
    """One program with one set of parameters.

    Args:
        name: Its name among the runs of the row.
        full: The parameters at full size.
        smoke: Those that differ in a smoke run, which only shows that the program works; None if another run of the
            row shows it.
        seconds: About how long it takes at full size.
        by: Who is measured: "evtrack" in each checkout; "once" something else, by this checkout's interpreter; a "peer"
            in the peers' environment.
        peer: The peer's name: its program is peers/NAME.py.
        group: Runs of one group differ in a setting of the peer: all of them run in the first round, and after it
            only the best.
        slow: Whether one round has to do.
    """

    name: str
    full: Mapping[str, Any] = field(default_factory=dict)
    smoke: Mapping[str, Any] | None = field(default_factory=dict)
    seconds: float = 5.0
    by: By = "evtrack"
    peer: str = ""
    group: str = ""
    slow: bool = False


@dataclass(frozen=True)
class Beside:
    """What a figure is compared with, as a ratio: evtrack's figure divided by this one.

    Args:
        label: How the table names it.
        run: A run of this or, as "ROW/RUN", another row; or a group of runs, of which the best counts.
        figure: Its figure; the same as evtrack's unless it is named.
        target: What the ratio should reach.
        at_most: Whether it should stay at or below the target: so it is for times and sizes.
    """

    label: str
    run: str
    figure: str = ""
    target: float | None = None
    at_most: bool = False


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Args:
        title: What was measured.
        run: The run of evtrack.
        figure: Its figure.
        unit: Its unit.
        beside: What it is compared with.
        target: What the figure itself should reach.
        at_most: Whether it should stay at or below the target.
        readme: The labels of the comparisons that the README shows; None if it does not show this line.
    """

    title: str
    run: str
    figure: str
    unit: str
    beside: tuple[Beside, ...] = ()
    target: float | None = None
    at_most: bool = False
    readme: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Row:
    """What one file measures.

    Args:
        runs: The runs, in the order in which each round goes through them.
        lines: The lines of the table.
    """

    runs: tuple[Run, ...]
    lines: tuple[Line, ...]


def report(measure: Callable[..., Mapping[str, float]]) -> None:
    """Measure what the command line asks for, and print the figures.

    Args:
        measure: Gets the server's connection string, and the parameters by name.
    """
    # Whoever stops this program stops what it has started, as each does so where it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server, parameters = sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}  # noqa: PLR2004
    print(json.dumps(measure(server, **parameters)), flush=True)
