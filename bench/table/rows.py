"""The rows of the table: each file of rows/ declares one."""

from functools import cache
from importlib import import_module

from support.commands import BENCH
from support.row import Row, Run

_ORDER = (
    "raw", "drain", "functions", "large", "pickup", "deaths", "fleet", "enqueue", "single", "documents", "failures",
    "submitters", "memory",
)  # fmt: skip


@cache
def rows() -> dict[str, Row]:
    """Return all rows by name."""
    names = {file.stem for file in (BENCH / "rows").glob("*.py")}
    ordered = [*_ORDER, *sorted(names.difference(_ORDER))]
    return {name: import_module(f"rows.{name}").ROW for name in ordered}


def find(row: str, run: str) -> list[tuple[str, Run]]:
    """Return the runs that a comparison names, each with its row.

    Args:
        row: The row of the comparison.
        run: A run or a group of runs of this row or, as ROW/RUN, of another.
    """
    if "/" in run:
        row, run = run.split("/", 1)
    return [(row, each) for each in rows()[row].runs if run in (each.name, each.group)]


def needed(chosen: list[str]) -> dict[str, list[Run]]:
    """Return what must run to fill the lines of some rows: their own runs, and those of others that they name."""
    wanted = {
        (name, each.name)
        for row in chosen
        for line in rows()[row].lines
        for beside in line.beside
        for name, each in find(row, beside.run)
    }
    return {
        name: runs
        for name, row in rows().items()
        if (runs := [each for each in row.runs if name in chosen or (name, each.name) in wanted])
    }
