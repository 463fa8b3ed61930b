"""Documents through `evtrack run`, and in ways that need no queue; for rows/documents.py and analysis/segfault.py."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from support import commands, database

_PARALLEL = shutil.which("parallel")
_HANDLER = ("--handler", "documents")
_WORKER = ("--import", "handlers.documents", "--slots", "2")
_BATCHES = ("--batch-size", "500")
_PATIENCE_S = 300

LOOP = "loop"
WAYS: Mapping[str, str] = {
    LOOP: "bare loop, one process",
    "imap_unordered": "Pool.imap_unordered",
    "map": "Pool.map",
    "executor": "ProcessPoolExecutor.map",
} | ({"pipepart": "parallel --pipepart", "N500": "parallel --pipe -N500"} if _PARALLEL else {})
"""The ways without a queue, and what they are called. GNU parallel is left out where it is not installed."""


class Outcome(NamedTuple):
    """What became of the documents.

    Args:
        seconds: How long the command ran.
        done: How many documents have a result.
        annotations: The sum of the results.
        messages: What it printed on standard error.
        ended: How it ended.
    """

    seconds: float
    done: int
    annotations: int
    messages: str
    ended: str


def count(way: str, path: Path, *, work_us: int = 0, patience_s: float = _PATIENCE_S) -> Outcome:
    """Count the annotations of the documents without a queue.

    Args:
        way: One of WAYS.
        path: The documents.
        work_us: Microseconds of CPU that each document takes besides.
        patience_s: When to kill what has not ended.
    """
    work, ways = ([sys.executable, str(commands.BENCH / f"support/document_{name}.py")] for name in ("work", "ways"))
    parallel = [_PARALLEL or "", "--will-cite", "-j2"]
    special = {
        "pipepart": [*parallel, "--pipepart", "-a", str(path), "--block", "-1", *work],
        "N500": ["sh", "-c", '"$@" <"$0"', str(path), *parallel, "--pipe", "-N500", *work],
    }
    return _run(special.get(way) or [*ways, way, str(path)], work_us, patience_s)


def run(dsn: str, path: Path, *, work_us: int = 0) -> Outcome:
    """Count the annotations of the documents with `evtrack run`."""
    return _checked(dsn, _evtrack("run", str(path), *_BATCHES, *_HANDLER, *_WORKER, "--dsn", dsn, work_us=work_us))


def submit(dsn: str, path: Path) -> float:
    """Submit the documents, and return the seconds that it took."""
    return _evtrack("submit", str(path), *_BATCHES, *_HANDLER, "--dsn", dsn).seconds


def drain(dsn: str) -> Outcome:
    """Count the annotations of the submitted documents with `evtrack work`."""
    return _checked(dsn, _evtrack("work", *_WORKER, "--drain", "--dsn", dsn))


def _evtrack(*arguments: str, work_us: int = 0) -> Outcome:
    return _run([sys.executable, "-m", "evtrack", "--log-level", "error", *arguments], work_us, _PATIENCE_S)


def _checked(dsn: str, outcome: Outcome) -> Outcome:
    """Verify the log; return the outcome with the results, and the keys of poison items, that the database has."""
    commands.verify(dsn)
    with database.connect(dsn) as conn:
        done = database.value(conn, "SELECT count(*) FROM evtrack.item_result")
        annotations = database.value(conn, "SELECT sum(result::text::int)::int FROM evtrack.item_result")
        poison = database.value(conn, "SELECT coalesce(string_agg(item_key, ' '), '') FROM evtrack.crash WHERE poison")
    return outcome._replace(done=done, annotations=annotations, messages=f"{outcome.messages} {poison}")


def _run(command: Sequence[str], work_us: int, patience_s: float) -> Outcome:
    # Without bytecode files each process would compile what it imports, and unbuffered each line is a system call.
    kept = {name: value for name, value in commands.environment().items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryFile() as results, tempfile.TemporaryFile() as messages:
        begun = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  our own programs, and GNU parallel
            command,
            stdout=results,
            stderr=messages,
            cwd=commands.BENCH,
            env={**kept, "BENCH_WORK_US": str(work_us)},
            start_new_session=True,
        )
        try:
            code = process.wait(patience_s)
            ended = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        except subprocess.TimeoutExpired:
            ended = f"still running: killed after {patience_s:.0f} s"
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        seconds = time.perf_counter() - begun
        results.seek(0)
        # The report of evtrack has no such lines; its results are in the database.
        counts = [int(line) for line in results.read().split() if line.isdigit()]
        messages.seek(0)
        return Outcome(seconds, len(counts), sum(counts), messages.read().decode(errors="replace"), ended)
