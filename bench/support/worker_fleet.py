"""Many real workers of one slot, forked from one process: worker_fleet.py DSN COUNT MODULE DIRECTORY.

They are what `evtrack work` starts, without the second of CPU that each would need to import the same modules. Each
has a state directory of its own, as it would have on a host of its own.
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from evtrack.__main__ import main

_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def fork_worker(dsn: str, module: str, directory: str, number: int) -> int:
    """Fork a worker, and return its process."""
    child = os.fork()
    if child:
        return child
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    sys.argv = ["evtrack", "--log-level", "error", "work", "--dsn", dsn, "--import", module, "--slots", "1"]
    sys.argv += ["--name", f"worker {number}", "--state-dir", f"{directory}/{number}"]
    try:
        main()
    finally:
        os._exit(1)  # never back into the caller


def run(dsn: str, count: int, module: str, directory: str) -> None:
    """Fork workers, and stop them when this process is told to."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    import_module("evtrack.interfaces.cli.processing.work")
    os.chdir(Path(__file__).parents[1])
    workers = [fork_worker(dsn, module, directory, number) for number in range(count)]
    signal.sigwait(_SIGNALS)
    for worker in workers:
        os.kill(worker, signal.SIGTERM)  # not yet reaped, so the number is still its own
    for worker in workers:
        os.waitpid(worker, 0)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
