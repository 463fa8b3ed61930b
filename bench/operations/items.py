"""Documents per second through the command line, compared with a bare loop that reads and parses the same file.

The corpus (EVTRACK_BENCH_CORPUS: a .jsonl file or a directory of them) is repeated until there are enough documents,
then submitted with `evtrack submit` in batches of 500 and drained with `evtrack work`. Peak memory is of one process.

Usage: items.py [DOCUMENTS]   (default 200,000)
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import commands, database, harness

from evtrack.storage.connection.connect import connect

_WITH_PEAK_MEMORY = """
import resource, sys
from evtrack.interfaces.cli import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def write_documents(documents: int, path: Path) -> None:
    """Write so many documents by repeating the corpus, each with a number as its key."""
    files = sorted(harness.CORPUS.glob("*.jsonl")) if harness.CORPUS.is_dir() else [harness.CORPUS]
    lines = [line for file in files for line in file.read_bytes().splitlines() if line]
    with path.open("wb") as out:
        for number, line in enumerate(itertools.islice(itertools.cycle(lines), documents)):
            out.write(b'{"n": %d, %b\n' % (number, line[1:]))


def read_and_parse(path: Path) -> None:
    """Read and parse each line."""
    with path.open("rb") as lines:
        for line in lines:
            json.loads(line)


def run(dsn: str, *arguments: str) -> tuple[float, float]:
    """Run evtrack, and return the seconds it took and the peak memory of its process in MB."""
    begun = time.perf_counter()
    process = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", _WITH_PEAK_MEMORY, *arguments, "--dsn", dsn],
        check=True,
        capture_output=True,
        text=True,
        cwd=commands.BENCH,
        env={**os.environ, "EVTRACK_LOG_LEVEL": "warning"},
    )
    return time.perf_counter() - begun, int(process.stderr.split()[-1]) / 1024


def measure(server: str, documents: int) -> None:
    """Submit and drain so many documents, and print what it took."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "documents.jsonl"
        write_documents(documents, path)
        loop = documents / harness.timed(lambda: read_and_parse(path))
        dsn = database.create(server, "bench_items")
        submit_s, submit_mb = run(
            dsn, "submit", str(path), "--key", "n", "--handler", "noop-item", "--batch-size", "500"
        )
        work_s, work_mb = run(dsn, "work", "--import", "handlers.noop", "--slots", "2", "--drain")
        with connect(dsn, purpose="bench") as conn:
            row = conn.execute("SELECT total, done FROM evtrack.job_progress").fetchone()
        assert row == (documents, documents), row
    harness.show(f"submit {documents:,} documents", documents / submit_s, "items/s", "bare loop", loop)
    harness.show(f"work on {documents:,} documents", documents / work_s, "items/s", "bare loop", loop)
    harness.show(
        f"both, one after the other, {documents:,}", documents / (submit_s + work_s), "items/s", "bare loop", loop
    )
    harness.show("peak memory of the submitter", submit_mb, "MB")
    harness.show("peak memory of the supervisor", work_mb, "MB")


def main(arguments: list[str]) -> None:
    """Measure and print."""
    documents = int(arguments[0]) if arguments else harness.sized(200_000, smoke=1000)
    with harness.server() as server:
        measure(server, documents)


if __name__ == "__main__":
    main(sys.argv[1:])
