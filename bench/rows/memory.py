"""Peak memory of a submitter and of a supervisor, for a hundred times as many items."""

import subprocess
import sys
import tempfile
from pathlib import Path

from support import commands, database
from support.row import Beside, Line, Row, Run, report

_FEW, _MANY = 20_000, 2_000_000
_WITH_PEAK = """
import resource, sys
from evtrack.interfaces.cli import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
_KIB = 1024

ROW = Row(
    runs=(
        Run("few", {"items": _FEW}, None, seconds=7, slow=True),
        Run("many", {"items": _MANY}, {"items": 1000}, seconds=45, slow=True),
    ),
    lines=tuple(
        Line(
            f"Peak memory of the {who}, {_MANY:,} items",
            run="many",
            figure=f"{who}_mb",
            unit="MB",
            at_most=True,
            beside=(Beside(f"{_FEW:,} items", "few", target=1.1, at_most=True),),
        )
        for who in ("submitter", "supervisor")
    ),
)


def measure(server: str, *, items: int) -> dict[str, float]:
    """Submit so many items from a file, in batches of 500, and work them off."""
    dsn = database.create(server, "bench_memory")
    with tempfile.TemporaryDirectory(prefix="evtrack-bench-") as directory:
        path = Path(directory) / "items.jsonl"
        with path.open("w", encoding="ascii") as lines:
            lines.writelines(f'{{"n": {number}, "text": "some words of an item"}}\n' for number in range(items))
        submitting = ["submit", str(path), "--key", "n", "--handler", "noop-item", "--batch-size", "500"]
        figures = {"submitter_mb": _peak_mb(dsn, *submitting)}
    figures["supervisor_mb"] = _peak_mb(dsn, "work", "--import", "handlers.noop", "--slots", "2", "--drain")
    with database.connect(dsn) as conn:
        row = conn.execute("SELECT total, done FROM evtrack.job_progress").fetchone()
    assert row == (items, items), row
    commands.verify(dsn)
    return figures


def _peak_mb(dsn: str, *arguments: str) -> float:
    """Run a command of evtrack, and return the peak memory of its process."""
    process = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", _WITH_PEAK, "--log-level", "warning", *arguments, "--dsn", dsn],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=commands.BENCH,
        env=commands.environment(),
    )
    return int(process.stderr.split()[-1]) / _KIB


if __name__ == "__main__":
    report(measure)
