"""All processes that a job needs, each to be killed, and replaced when it is gone."""

import os
import random
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from client import Client
from command_line import environment, evtrack_command
from workers import HANDLER_DIRECTORY, children, slots_of

_LEASE_S = 3.0


class JobProcesses:
    """Workers, a watcher, and the submitter of one job; which of them are missing is seen to by `man`.

    Args:
        dsn: The database, in which there is no other job.
        source: What is submitted.
        recipe: Options of `evtrack submit`.
        log: Where they write what they have to say.
        workers: How many workers.
    """

    def __init__(self, *, dsn: str, source: Path, recipe: Sequence[str], log: Path, workers: int = 2) -> None:
        self._dsn, self._log, self._count = dsn, log, workers
        self._recipe = [str(source), *recipe]
        self._submitter: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._stopped: subprocess.Popen[bytes] | None = None
        self.alerts = log.with_name("alerts")
        """What the watchers wrote, a line an alert."""
        self.submitters = 0
        """How many it took."""

    def man(self, queue: Client) -> None:
        """Start what is missing.

        Args:
            queue: A session that can say whether the job is submitted.
        """
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        while len(self._workers) < self._count:
            limits = ["--slots", "2", "--lose-grace", "1", "--lease", str(_LEASE_S)]
            self._workers.append(self._start("work", "--import", "misbehaving_handlers", *limits))
        if self._watcher is None or self._watcher.poll() is not None:
            self._watcher = self._start("watch", stdout=self.alerts)
        if self._submitter is None or self._submitter.poll() is not None:
            jobs = queue.rows("SELECT job_id, phase::text FROM evtrack.job")
            if not jobs:
                self._submit(*self._recipe)
            elif jobs[0]["phase"] in {"open", "abandoned"}:
                self._submit("--resume", str(jobs[0]["job_id"]))

    def kill_worker(self, chance: random.Random) -> None:
        """Kill a worker with signal 9."""
        chance.choice(self._workers).kill()

    def kill_slot(self, chance: random.Random) -> None:
        """Kill a slot of a worker, or its fork server and so all its slots, with signal 9."""
        pid = chance.choice(self._workers).pid
        with suppress(OSError, IndexError):
            os.kill(chance.choice([*children(pid), *slots_of(pid)]), signal.SIGKILL)

    def kill_watcher(self) -> None:
        """Kill the watcher with signal 9."""
        assert self._watcher is not None
        self._watcher.kill()
        self._watcher.wait(10)

    def kill_submitter(self) -> None:
        """Kill the submitter with signal 9, if it is not done."""
        if self._submitter is not None:
            self._submitter.kill()
            self._submitter.wait(10)

    def stop_worker(self, chance: random.Random) -> None:
        """Stop a worker, as a debugger does; `go_on` lets it live again."""
        self._stopped = chance.choice(self._workers)
        self._stopped.send_signal(signal.SIGSTOP)

    def stopped_is_lost(self, queue: Client) -> bool:
        """Tell whether the stopped worker was declared lost, or had not even begun."""
        assert self._stopped is not None
        return not queue.rows("SELECT 1 FROM evtrack.worker WHERE pid = %s AND lost_at IS NULL", self._stopped.pid)

    def go_on(self) -> None:
        """Let a stopped worker go on."""
        if self._stopped is not None:
            self._stopped.send_signal(signal.SIGCONT)
            self._stopped = None

    def close(self) -> None:
        """Kill all."""
        for process in filter(None, [self._submitter, self._watcher, *self._workers]):
            process.kill()
            process.wait(10)

    def _submit(self, *words: str) -> None:
        self._submitter = self._start("submit", *words)
        self.submitters += 1

    def _start(self, *words: str, stdout: Path = Path(os.devnull)) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log, stdout.open("ab") as out:
            return subprocess.Popen(
                evtrack_command(*words, "--dsn", self._dsn),
                cwd=HANDLER_DIRECTORY,
                env=environment(),
                stdout=out,
                stderr=log,
            )
