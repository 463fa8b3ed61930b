"""Fuzz the readers of hostile bytes, guided by coverage: frames and pages of slots, marks, arrays and lines.

bin/bench fuzz [--seconds 60] [TARGET...]. It needs atheris, which nothing else does: pip install atheris. A broken
promise ends with its traceback, and its input stays in the current directory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from importlib import import_module, util
from pathlib import Path

TARGETS = ("page", "frames", "marks", "array", "lines")


def fuzz(name: str, seconds: int) -> None:
    """Run one target; the fuzzer ends this process."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["evtrack.runtime.slot", "evtrack.runtime.worker", "evtrack.sources"]):
        targets = import_module("fuzz_targets")
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(targets.SEEDS[name]):
            Path(corpus, f"seed{number}").write_bytes(seed)
        words = [f"-max_total_time={seconds}", "-max_len=4096", "-verbosity=1", f"-artifact_prefix={name}-", corpus]
        atheris.Setup([sys.argv[0], *words], targets.TARGETS[name])
        atheris.Fuzz()


def main() -> None:
    """Run each target in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", default=TARGETS, help="all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--one", action="store_true", help="run one target in this process")
    given = parser.parse_args()
    if util.find_spec("atheris") is None:
        print("atheris is not installed: pip install atheris")
        return
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
    if given.one:
        fuzz(given.targets[0], given.seconds)
        return
    seconds = 1 if "EVTRACK_BENCH_SMOKE" in os.environ else given.seconds
    codes = [
        subprocess.run([sys.executable, __file__, "--one", name, f"--seconds={seconds}"], check=False).returncode  # noqa: S603
        for name in given.targets
    ]
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
