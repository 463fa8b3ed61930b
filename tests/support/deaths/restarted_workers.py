"""Workers that are started again whenever they die, as by a service manager, and what became of their items."""

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from client import Client
from command_line import environment, evtrack_command
from polling import eventually
from workers import HANDLER_DIRECTORY, kill_all

KILLING_PROGRAM = """
import json, os, signal, sys, time

def parent(pid):
    return int(open(f"/proc/{pid}/stat").read().rsplit(") ")[1].split()[1])

for line in sys.stdin:
    item = json.loads(line)
    with open(item["trace"], "a") as file:
        file.write(f"k{item['return']}\\n")
    if item.get("do"):
        fork_server = parent(os.getppid())
        slots = open(f"/proc/{fork_server}/task/{fork_server}/children").read().split()
        for pid in [parent(fork_server), fork_server, *map(int, slots)]:
            os.kill(pid, signal.SIGKILL)
        time.sleep(60)
    print(item["return"])
"""
"""A program that kills its whole worker at items with "do"."""


class RestartedWorkers:
    """A number of `evtrack work` processes; `tend` starts those again that have died.

    Args:
        count: How many.
        options: Of `evtrack work`.
        log: Where they write their logs.
        state: Their state directory; None for a new one at each start, as in a container without a volume.
    """

    def __init__(self, dsn: str, *, count: int, options: Sequence[str], log: Path, state: Path | None) -> None:
        self._command = evtrack_command("work", "--dsn", dsn, "--import", "misbehaving_handlers", *options)
        self._log, self._state, self._count = log, state, count
        self._living: list[subprocess.Popen[bytes]] = []
        self._started = 0
        self.deaths = 0
        """How many were killed."""

    def tend(self) -> None:
        """Start what is missing."""
        dead = [process for process in self._living if process.poll() is not None]
        self.deaths += sum(1 for process in dead if process.returncode == -signal.SIGKILL)
        self._living = [process for process in self._living if process not in dead]
        while len(self._living) < self._count:
            self._started += 1
            state = self._state or self._log.with_name(f"state {self._started}")
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    self._command,
                    cwd=HANDLER_DIRECTORY,
                    env={**environment(), "EVTRACK_STATE_DIR": str(state)},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._living.append(process)

    def kill_one(self, index: int = 0) -> None:
        """Kill a worker with all of its processes at once."""
        kill_all(self._living[index])

    def close(self) -> None:
        """Kill all."""
        for index in range(len(self._living)):
            self.kill_one(index)


@contextmanager
def restarted_workers(
    dsn: str, tmp_path: Path, *, count: int = 1, slots: int = 2, state: bool = True, options: Sequence[str] = ()
) -> Iterator[RestartedWorkers]:
    """Run workers with short pauses; kill them when the block ends."""
    # What a dead worker left is reported at once by one that shares its state; nobody may be faster on a busy machine.
    pauses = ["--slots", str(slots), "--lose-grace", "3" if state else "0.3", "--lease", "30"]
    workers = RestartedWorkers(
        dsn,
        count=count,
        options=[*pauses, *options],
        log=tmp_path / "log",
        state=tmp_path / "state" if state else None,
    )
    try:
        yield workers
    finally:
        workers.close()


def work_off(queue: Client, workers: RestartedWorkers, job: int, timeout_s: float = 60.0) -> None:
    """Start workers again until a job is finished."""

    def finished() -> bool:
        workers.tend()
        return queue.phase(job) == "finished"

    eventually(finished, timeout_s)


def fates(queue: Client, job: int) -> Mapping[str, list[str]]:
    """Return the keys of the items of each status."""
    found: dict[str, list[str]] = {}
    for row in queue.rows(
        "SELECT item_key, status::text FROM evtrack.item_status WHERE job_id = %s ORDER BY ordinal", job
    ):
        found.setdefault(row["status"], []).append(row["item_key"])
    return found


def runs(trace: Path) -> Counter[str]:
    """Return how often each item has begun."""
    return Counter(line.split(" ", 1)[0] for line in trace.read_text(encoding="utf-8").splitlines())


def results(queue: Client, job: int) -> dict[str, Any]:
    """Return the result of each item that has one."""
    rows = queue.rows("SELECT item_key, result FROM evtrack.item_result WHERE job_id = %s", job)
    return {row["item_key"]: row["result"] for row in rows}
