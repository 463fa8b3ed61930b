"""`evtrack run` beside what people use without a queue: Pool, ProcessPoolExecutor and GNU parallel, with two processes.

All of them read the same file of 307-byte documents, parse each and count its annotations, and all are measured from
the start of their command to its end. That is done with no more work than parsing, and with 100 us of CPU a document.
Each must return the right number of annotations. Then one document in the middle ends its process by a segmentation
fault: how many documents are done, whether the message names the one, and how the command ended. GNU parallel is left
out where it is not installed.

Usage: without_queue.py [DOCUMENTS]   (default 200,000)
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from support import database, harness
from support.commands import BENCH
from support.documents import write_documents

from evtrack.storage.connection.connect import connect

_DEADLINE_S = harness.sized(30, smoke=3)
_WORK_US = (0,) if harness.SMOKE else (0, 100)
_BATCH_SIZE = "500"
_RUN = ("--import", "handlers.documents", "--handler", "documents", "--slots", "2", "--batch-size", _BATCH_SIZE)


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


def commands(path: Path) -> dict[str, list[str]]:
    """Return the command of each way to do it without a queue."""
    work, ways = ([sys.executable, str(BENCH / f"support/document_{name}.py")] for name in ("work", "ways"))
    found = {
        "bare loop, one process": [*ways, "loop", str(path)],
        "Pool.imap_unordered": [*ways, "imap_unordered", str(path)],
        "Pool.map": [*ways, "map", str(path)],
        "ProcessPoolExecutor.map": [*ways, "executor", str(path)],
    }
    if parallel := shutil.which("parallel"):
        # Without the citation notice it waits for nothing and prints results only.
        base = [parallel, "--will-cite", "-j2"]
        found["parallel --pipepart"] = [*base, "--pipepart", "-a", str(path), "--block", "-1", *work]
        found["parallel --pipe -N500"] = ["sh", "-c", '"$@" <"$0"', str(path), *base, "--pipe", "-N500", *work]
    else:
        print("GNU parallel is not installed: left out")
    return found


def _environment() -> dict[str, str]:
    # Without bytecode files each process would compile what it imports, and unbuffered each line is a system call.
    return {name: value for name, value in os.environ.items() if not name.startswith(("EVTRACK_", "PYTHON"))}


def run_command(command: Sequence[str], work_us: int, deadline_s: float) -> Outcome:
    """Run a command, and kill it and what it started after a time."""
    with tempfile.TemporaryFile() as results, tempfile.TemporaryFile() as messages:
        begun = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  our own programs, and GNU parallel
            command,
            stdout=results,
            stderr=messages,
            cwd=BENCH,
            env={**_environment(), "BENCH_WORK_US": str(work_us)},
            start_new_session=True,
        )
        try:
            code = process.wait(deadline_s)
            ended = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        except subprocess.TimeoutExpired:
            ended = f"hung: killed after {deadline_s:.0f} s"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seconds = time.perf_counter() - begun
        results.seek(0)
        # The report of `evtrack run` is no number; its results are in the database.
        counts = [int(line) for line in results.read().split() if line.isdigit()]
        messages.seek(0)
        return Outcome(seconds, len(counts), sum(counts), messages.read().decode(errors="replace"), ended)


def run_evtrack(server: str, path: Path, work_us: int) -> Outcome:
    """Run `evtrack run` on a new database, and verify its log."""
    dsn = database.create(server, "bench_without_queue")
    command = [sys.executable, "-m", "evtrack", "--log-level", "error", "run", str(path), *_RUN, "--dsn", dsn]
    outcome = run_command(command, work_us, deadline_s=300)
    with connect(dsn, purpose="bench") as conn:
        row = conn.execute(
            "SELECT count(*), coalesce(sum(result::text::int), 0)::int FROM evtrack.item_result"
        ).fetchone()
        crashed = conn.execute("SELECT DISTINCT item_key FROM evtrack.crash WHERE poison").fetchall()
    assert row
    verify = run_command([sys.executable, "-m", "evtrack", "verify", "--dsn", dsn], 0, deadline_s=300)
    assert verify.ended == "exit code 0", verify
    names = "".join(f" {key}" for (key,) in crashed)
    return outcome._replace(done=row[0], annotations=row[1], messages=outcome.messages + names)


def compare(server: str, directory: Path, documents: int) -> None:
    """Measure all ways, with little and with more work a document."""
    path = directory / "documents.jsonl"
    annotations = write_documents(path, documents)
    for work_us in _WORK_US:
        rates = {}
        for way, command in commands(path).items():
            outcome = run_command(command, work_us, deadline_s=300)
            assert (outcome.done, outcome.annotations) == (documents, annotations), (way, outcome)
            rates[way] = documents / outcome.seconds
        outcome = run_evtrack(server, path, work_us)
        assert (outcome.done, outcome.annotations) == (documents, annotations), outcome
        own = documents / outcome.seconds
        for way, rate in rates.items():
            harness.show(f"{way}, {work_us} us of work", rate, "documents/s")
        for way, rate in rates.items():
            harness.show(f"evtrack run, {work_us} us of work", own, "documents/s", way, rate)


def crash(server: str, directory: Path, documents: int) -> None:
    """Print what each way makes of a document that ends its process."""
    path = directory / "poison.jsonl"
    poison = documents // 2
    write_documents(path, documents, poison=poison)
    outcomes = {way: run_command(command, 0, _DEADLINE_S) for way, command in commands(path).items()}
    outcomes["evtrack run"] = own = run_evtrack(server, path, 0)
    for way, outcome in outcomes.items():
        named = "named" if f"doc-{poison}" in outcome.messages.split() else "not named"
        undone = documents - outcome.done
        print(f"one segfaults: {way:<26} {outcome.done:>9,} done {undone:>9,} not done  {named:<9}  {outcome.ended}")
        if outcome is own:
            assert (undone, named) == (1, "named"), own


def main(arguments: list[str]) -> None:
    """Measure and print."""
    documents = int(arguments[0]) if arguments else harness.sized(200_000, smoke=2_000)
    with harness.server() as server, tempfile.TemporaryDirectory() as directory:
        compare(server, Path(directory), documents)
        crash(server, Path(directory), documents)


if __name__ == "__main__":
    main(sys.argv[1:])
