"""Every benchmark once, with tiny sizes and without looking at the figures, so that none of them rots.

Usage: smoke.py [NAME ...]   (bin/bench --smoke)
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support import harness

_BENCHMARKS = sorted(file.stem for file in harness.BENCH.glob("*.py") if file.stem != Path(__file__).stem)
_AT_ONCE = 4  # they wait more than they compute
_TIMEOUT_S = 300


def passes(server: str, name: str) -> bool:
    """Run a benchmark, print how it ended and, if it failed, its output."""
    begun = time.monotonic()
    process = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, harness.BENCH / f"{name}.py"],
        check=False,
        env={**os.environ, "EVTRACK_BENCH_SMOKE": "1", "EVTRACK_BENCH_DSN": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_TIMEOUT_S,
        text=True,
    )
    passed = process.returncode == 0
    line = f"{'passed' if passed else 'FAILED'}  {name:<16} {time.monotonic() - begun:>5.1f} s\n"
    sys.stdout.write(line if passed else line + process.stdout)
    sys.stdout.flush()
    return passed


def main(arguments: list[str]) -> None:
    """Run the named benchmarks, or all."""
    with harness.server() as dsn:
        # Nothing here is to survive a power cut, and nobody reads the figures.
        server = make_conninfo(dsn, options=f"{conninfo_to_dict(dsn).get('options', '')} -c synchronous_commit=off")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            passed = list(pool.map(partial(passes, server), arguments or _BENCHMARKS))
    if not all(passed):
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
