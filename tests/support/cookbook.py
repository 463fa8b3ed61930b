"""Generate docs/sql_cookbook.md: each query followed by its result after two runs over examples/data/."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from command_line import evtrack
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.schema import migrations

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "sql_cookbook.md"

# A query and its result; the result is regenerated.
_RECIPE = re.compile(r"^```sql\n(.*?)^```\n\n```text\n.*?^```\n", re.MULTILINE | re.DOTALL)

# Values that differ from run to run are shown as a placeholder.
_TIMES = re.compile(r"(at|since|day|eta)$")
_SECONDS = re.compile(r"_s$|^pace$")
_SIZES = re.compile(r"bytes$|^row_estimate$")
_PLACES = {"host": "(host)", "worker_id": "(worker)", "pid": "(pid)", "worker": "(worker)", "undelivered": "(number)"}
_WIDEST = 60


def prepare(dsn: str) -> None:
    """Run a frail handler twice over the sample, and submit it once for a handler that no worker offers.

    Args:
        dsn: A migrated database.
    """
    sample = [
        "examples/data/ncbi-disease-sample.jsonl",
        "--key",
        "sourcedb,sourceid",
        "--batch-size",
        "10",
        "--dsn",
        dsn,
    ]
    options = ["--import", "examples.frail_stats", "--handler", "frail-stats", "--slots", "1"]
    for name in ("monday", "tuesday"):
        ran = evtrack("run", *sample, *options, "--max-errors", "1", "--name", name, cwd=ROOT)
        assert 3 == ran.returncode, ran.stderr
    waits = evtrack("submit", *sample, "--handler", "translate", "--name", "wednesday", cwd=ROOT)
    assert 0 == waits.returncode, waits.stderr


def written(connection: Connection) -> str:
    """Return the document with current results.

    Args:
        connection: A connection to the prepared database.
    """

    def answered(recipe: re.Match[str]) -> str:
        return f"```sql\n{recipe[1]}```\n\n```text\n{answer(connection, recipe[1])}```\n"

    return _RECIPE.sub(answered, DOCUMENT.read_text(encoding="utf-8"))


def answer(connection: Connection, query: str) -> str:
    """Run a query and format its rows as a table.

    Args:
        connection: The database.
        query: One statement.
    """
    cursor = connection.execute(query.encode())
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    rows = [[_shown(name, value) for name, value in zip(names, row, strict=True)] for row in cursor]
    widths = [max(len(cell) for cell in column) for column in zip(names, *rows, strict=True)]
    count = f"({len(rows)} row{'' if len(rows) == 1 else 's'})"
    return "\n".join(
        [
            _line(names, widths),
            "-+-".join("-" * width for width in widths),
            *(_line(row, widths) for row in rows),
            count,
            "",
        ]
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _PLACES:
        return _PLACES[name]
    if _TIMES.search(name):
        return "(day)" if name.endswith("day") else "(time)"
    if _SECONDS.search(name):
        return "(s)"
    if _SIZES.search(name) or (name == "total" and isinstance(value, str)):
        return "(size)"
    text = str(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


def main() -> None:
    """Regenerate the document."""
    import servers  # noqa: PLC0415  # beside this file, on the path only as a script or in pytest

    with servers.running("embedded") as dsn:
        with connect(dsn, purpose="cookbook") as connection:
            migrations.up(connection)
        prepare(dsn)
        with connect(dsn, purpose="cookbook") as connection:
            DOCUMENT.write_text(written(connection), encoding="utf-8")


if __name__ == "__main__":
    main()
