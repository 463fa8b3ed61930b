"""Runs the programs of rows/ and peers/, each as a process whose end leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from support.commands import BENCH
from support.row import Run

PEERS = BENCH / ".peers/bin/python"
"""The interpreter that has the peers; `bin/setup bench` makes it."""

LANE = "EVTRACK_BENCH_LANE"
"""The environment variable by which programs that run side by side have databases of their own."""

_LIMIT_S = 600
_STOP_S = 20
_ERROR_LINES = 15


class ProgramFailed(Exception):
    """A program ended with an error, or printed no figures."""


def run_program(
    server: str, row: str, run: Run, *, python: Path, smoke: bool = False, lane: int = 0
) -> Mapping[str, float]:
    """Run a program, and return its figures.

    Args:
        server: The server's connection string.
        row: The row.
        run: The run.
        python: The interpreter.
        smoke: Whether the sizes are tiny.
        lane: Which of the programs that run side by side this is.

    Raises:
        ProgramFailed: It did not do its work.
    """
    program = BENCH / (f"peers/{run.peer}.py" if run.by == "peer" else f"rows/{row}.py")
    parameters: dict[str, Any] = {**run.full, **((run.smoke or {}) if smoke else {})}
    environment = {**os.environ, "PYTHONPATH": str(BENCH), LANE: str(lane)}
    if smoke:
        environment["EVTRACK_BENCH_SMOKE"] = "1"
    process = subprocess.Popen(  # noqa: S603  # our own program
        [str(python), "-P", str(program), server, json.dumps(parameters)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the program
        text=True,
    )
    try:
        output, errors = process.communicate(timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"not done within {_LIMIT_S} s") from None
    finally:
        end(process)
    if process.returncode:
        last = "\n".join(errors.strip().splitlines()[-_ERROR_LINES:])
        raise ProgramFailed(f"ended with exit code {process.returncode}:\n{last}")
    try:
        return dict(json.loads(output.strip().splitlines()[-1]))
    except (IndexError, ValueError):
        raise ProgramFailed(f"printed no figures: {output!r}") from None


def end(process: "subprocess.Popen[Any]") -> None:
    """End a program if it still runs, and all that it has started."""
    if process.poll() is not None:
        return
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for each in below:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(below, timeout=_STOP_S)


def interpreter(run: Run, checkout: Path | None) -> Path:
    """Return the interpreter for a run.

    Args:
        run: The run.
        checkout: The checkout of evtrack; None for this one.
    """
    if run.by == "peer":
        return PEERS
    return checkout / ".venv/bin/python" if checkout and run.by == "evtrack" else Path(sys.executable)
