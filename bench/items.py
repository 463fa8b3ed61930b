"""Documents a second, through the program as people run it, beside a bare loop that reads and parses the same file.

The corpus (EVTRACK_BENCH_CORPUS: a .jsonl file or a folder with some) is repeated to so many documents, then submitted
with `evtrack submit` in batches of 500 and drained with `evtrack work`. Peak memory is of each process by itself.

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

import lab

HERE = Path(__file__).parent
MEASURED = """
import resource, sys
from evtrack.interfaces.cli import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def repeated(documents: int, path: Path) -> None:
    """Write the corpus again and again, with a key that counts."""
    files = sorted(lab.CORPUS.glob("*.jsonl")) if lab.CORPUS.is_dir() else [lab.CORPUS]
    lines = [line for file in files for line in file.read_bytes().splitlines() if line]
    with path.open("wb") as out:
        for number, line in enumerate(itertools.islice(itertools.cycle(lines), documents)):
            out.write(b'{"n": %d, %b\n' % (number, line[1:]))


def bare_loop(path: Path) -> None:
    """Read and parse each line, and nothing else."""
    with path.open("rb") as lines:
        for line in lines:
            json.loads(line)


def ran(dsn: str, *arguments: str) -> tuple[float, float]:
    """Run evtrack; seconds, and the peak memory in MB of the largest process among it and its children."""
    begun = time.perf_counter()
    process = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", MEASURED, *arguments, "--dsn", dsn],
        check=True,
        capture_output=True,
        text=True,
        cwd=HERE,
        env={**os.environ, "EVTRACK_LOG_LEVEL": "warning"},
    )
    return time.perf_counter() - begun, int(process.stderr.split()[-1]) / 1024


def measure(server: str, documents: int) -> tuple[float, float]:
    """Submit and drain so many documents; the peak memory in MB of submitter and supervisor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "documents.jsonl"
        repeated(documents, path)
        loop = documents / lab.timed(lambda: bare_loop(path))
        dsn = lab.database(server, "bench_items")
        submit_s, submit_mb = ran(
            dsn, "submit", str(path), "--key", "n", "--handler", "noop-item", "--batch-size", "500"
        )
        work_s, work_mb = ran(dsn, "work", "--import", "noop", "--slots", "2", "--drain")
    lab.show(f"submit {documents:,} documents", documents / submit_s, "items/s", "bare loop", loop)
    lab.show(f"work on {documents:,} documents", documents / work_s, "items/s", "bare loop", loop)
    lab.show(f"both, one after the other, {documents:,}", documents / (submit_s + work_s), "items/s", "bare loop", loop)
    lab.show("peak memory of the submitter", submit_mb, "MB")
    lab.show("peak memory of the supervisor", work_mb, "MB")
    return submit_mb, work_mb


if __name__ == "__main__":
    with lab.server() as running:
        measure(running, int(sys.argv[1]) if sys.argv[1:] else 200_000)
