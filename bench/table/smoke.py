"""Every benchmark once, with tiny sizes and without looking at the figures, so that none of them rots.

Usage: smoke.py [NAME ...]   (bin/bench --smoke)
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support import harness, peer_runs
from support.commands import BENCH
from support.row import Run
from table import facts, publish, report
from table.programs import ProgramFailed, interpreter, run_program
from table.results import Results, key_of
from table.rows import rows

_ROOMS = ("analysis", "simulation", "dashboard", "operations", "endurance")
_MAIN = "\nif __name__ == "
_AT_ONCE = 4  # they wait more than they compute
_TIMEOUT_S = 300


def scripts() -> dict[str, Path]:
    """Return the benchmarks that are scripts of their own."""
    return {
        file.stem: file for room in _ROOMS for file in sorted((BENCH / room).glob("*.py")) if _MAIN in file.read_text()
    }


def run_script(server: str, file: Path, lane: int) -> str:
    """Run a script, and return what went wrong."""
    del lane  # its databases have its name
    process = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-P", file],
        check=False,
        env={**os.environ, "PYTHONPATH": str(BENCH), "EVTRACK_BENCH_SMOKE": "1", "EVTRACK_BENCH_DSN": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_TIMEOUT_S,
        text=True,
    )
    return process.stdout if process.returncode else ""


def run_row(server: str, row: str, run: Run, lane: int, *, results: Results) -> str:
    """Run a run of a row, and return what went wrong."""
    try:
        figures = run_program(server, row, run, python=interpreter(run, None), smoke=True, lane=lane)
    except ProgramFailed as failure:
        return f"{failure}\n"
    results.add(key_of(row, run, "here"), 0, figures)
    return ""


def passes(name: str, run: Callable[[int], str], lanes: "SimpleQueue[int]") -> bool:
    """Run one of them, and print how it ended."""
    lane, begun = lanes.get(), time.monotonic()
    try:
        wrong = run(lane)
    finally:
        lanes.put(lane)
    sys.stdout.write(f"{'FAILED' if wrong else 'passed'}  {name:<28} {time.monotonic() - begun:>5.1f} s\n{wrong}")
    sys.stdout.flush()
    return not wrong


def planned(server: str, names: list[str], results: Results) -> dict[str, Callable[[int], str]]:
    """Return what runs: all, or what is named, the scripts first as they take longest."""
    found: dict[str, Callable[[int], str]] = {
        name: partial(run_script, server, file) for name, file in scripts().items() if not names or name in names
    }
    for name, row in rows().items():
        if names and name not in names:
            continue
        for run in row.runs:
            if run.smoke is not None:
                found[f"{name}/{run.name}"] = partial(run_row, server, name, run, results=results)
    return found


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, and make the table of them."""
    results = Results()
    lanes: SimpleQueue[int] = SimpleQueue()
    for lane in range(_AT_ONCE):
        lanes.put(lane)
    with harness.server() as dsn:
        # Nothing here is to survive a power cut, and nobody reads the figures.
        server = make_conninfo(dsn, options=f"{conninfo_to_dict(dsn).get('options', '')} -c synchronous_commit=off")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            plans = planned(server, names, results)
            passed = list(pool.map(lambda name: passes(name, plans[name], lanes), plans))
        known = facts.facts(server, None, list(peer_runs.KNOWN))
    with TemporaryDirectory() as directory:
        for document in (publish.DOCUMENT, publish.README):
            copy = Path(shutil.copy(document, directory))
            publish.put(copy, report.markdown(results, known, rounds=1, against=False))
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
