"""Run workers, in a thread of this process or as the real command, and submit their work."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from client import Client
from command_line import evtrack_process
from evtrack.runtime.slot.protocol import Setup
from evtrack.runtime.worker.supervisor import Supervisor

HANDLER_DIRECTORY = str(Path(__file__).parent / "handlers")


class WorkerThread:
    """A worker in a thread.

    Args:
        worker: The worker.
    """

    def __init__(self, worker: Supervisor) -> None:
        self.worker = worker
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:  # noqa: BLE001  the test wants to see it
            self.error = error

    def join(self, timeout_s: float = 30.0) -> None:
        """Wait for its end, and raise what it raised."""
        self.thread.join(timeout_s)
        assert not self.thread.is_alive(), "the worker did not end"
        if self.error is not None:
            raise self.error


@contextmanager
def running_worker(dsn: str, **options: Any) -> Iterator[WorkerThread]:
    """Run a worker that offers tests/support/handlers/misbehaving_handlers.py; stop it at once when the block ends.

    Args:
        dsn: The database.
        **options: What Supervisor takes; `only` and `commands` go into its setup, `until_job` is the job to wait for.
    """
    told = Setup(["misbehaving_handlers"], options.pop("commands", {}), options.pop("only", []), HANDLER_DIRECTORY)
    until_job = options.pop("until_job", None)
    one = WorkerThread(Supervisor(dsn=dsn, setup=told, **options))
    if until_job is not None:
        one.worker.await_job(until_job)
    one.thread.start()
    try:
        yield one
    finally:
        one.worker.stop(at_once=True)
        one.join()


def drain(dsn: str, **options: Any) -> None:
    """Work until nothing is claimable."""
    with running_worker(dsn, drain=True, **options) as one:
        one.join(60)


@contextmanager
def worker_process(dsn: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run `evtrack work` with tests/support/handlers/misbehaving_handlers.py; kill it when the block ends."""
    with evtrack_process(
        "work", "--dsn", dsn, "--import", "misbehaving_handlers", *options, cwd=HANDLER_DIRECTORY
    ) as process:
        yield process


def items_begun(trace: Path, count: int) -> bool:
    """Return whether handlers have started this many items with this trace file; a claimed item has not started."""
    return trace.exists() and len(trace.read_text().splitlines()) >= count


def children(pid: int) -> list[int]:
    """Return the child processes of a process, none if it has ended; only on Linux."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def slots_of(pid: int) -> list[int]:
    """Return the slots of a worker: what its fork server has started."""
    return [slot for server in children(pid) for slot in children(server)]


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def kill_all(process: subprocess.Popen[Any]) -> None:
    """Kill a worker and all of its processes at once, as a container's memory limit does."""
    for pid in (process.pid, *descendants(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(10)


def alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] != "Z"
    except OSError:
        return False


def submit(queue: Client, *items: str, batch_size: int = 1, priority: int = 0, handler: str = "", **policy: Any) -> int:
    """Enqueue items given as JSON; keys are k1, k2 and so on."""
    job = queue.one(
        "SELECT evtrack.enqueue(%s, %s, %s, NULL, %s::smallint, %s::jsonb, %s)",
        handler or queue.handler,
        [f"k{number}" for number in range(1, len(items) + 1)],
        list(items),
        priority,
        json.dumps(policy),
        batch_size,
    )
    queue.one("SELECT pg_notify('evtrack_work', %s)", handler or queue.handler)
    return int(job)


def statuses(queue: Client, job: int) -> dict[str, int]:
    """Return how many batches of a job have each status."""
    rows = queue.rows("SELECT status::text, count(*) FROM evtrack.batch WHERE job_id = %s GROUP BY 1", job)
    return {row["status"]: row["count"] for row in rows}
