"""What handlers start ends with their item's limit, with their slot, and at the latest with the worker."""

import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import Client
from command_line import environment, evtrack_command
from polling import eventually
from workers import HANDLER_DIRECTORY, alive, children, descendants, statuses, submit, worker_process

pytestmark = [pytest.mark.integration, pytest.mark.crash]

MARKED = ["child in a session of its own", "leave a child", "leave a daemon", "leave a copy"]
BARE = ["leave a bare child", "leave a bare daemon"]
"""What these start inherits no environment from its slot."""


class Left:
    """What one item has started, found by a token in its arguments or by its process.

    Args:
        directory: Where the item may write.
    """

    def __init__(self, directory: Path) -> None:
        self.token = f"600.{random.randrange(10**9):09d}"
        self.pid = directory / "pid"
        self.trace = directory / "trace"

    def item(self, do: str, **more: object) -> str:
        return json.dumps({"do": do, "token": self.token, "pid": str(self.pid), "trace": str(self.trace), **more})

    def __call__(self) -> list[int]:
        """List the processes that live."""
        found = [int(self.pid.read_text() or 0)] if self.pid.exists() else []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if self.token.encode() in words and b"sleep" in words:
                    found.append(int(entry.name))
        return [pid for pid in found if alive(pid)]


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Left]:
    one = Left(tmp_path)
    yield one
    for pid in one():
        os.kill(pid, signal.SIGKILL)


def zombies(pid: int) -> list[int]:
    return [each for each in descendants(pid) if not alive(each)]


@pytest.mark.parametrize("do", [*MARKED, *BARE])
def test_it_ends_with_its_items_limit(queue: Client, dsn: str, left: Left, do: str) -> None:
    submit(queue, left.item(do, s=60), handler="processes", timeout_s=1.5, max_crashes=1)
    with worker_process(dsn, "--import", "process_handlers", "--slots", "2") as worker:
        eventually(left, 30)
        eventually(lambda: queue.rows("SELECT 1 FROM evtrack.crash WHERE cause = 'timeout'"))
        eventually(lambda: not left(), 5)
        assert worker.poll() is None
        eventually(lambda: not zombies(worker.pid), 5)


@pytest.mark.parametrize("do", ["leave a child", "leave a daemon", "leave a copy"])
def test_it_ends_with_its_slot(queue: Client, dsn: str, left: Left, do: str) -> None:
    submit(queue, left.item(do, segv=True), handler="processes", max_crashes=1)
    with worker_process(dsn, "--import", "process_handlers", "--slots", "2") as worker:
        eventually(lambda: queue.rows("SELECT 1 FROM evtrack.crash WHERE signal = 'SIGSEGV'"), 30)
        assert left.trace.exists()
        eventually(lambda: not left(), 5)
        eventually(lambda: not zombies(worker.pid), 5)


@pytest.mark.parametrize("do", [*MARKED[1:], *BARE])
def test_it_lives_on_with_its_slot_and_ends_with_the_stop(queue: Client, dsn: str, left: Left, do: str) -> None:
    job = submit(queue, left.item(do), handler="processes")
    with worker_process(dsn, "--import", "process_handlers", "--slots", "2") as worker:
        eventually(lambda: statuses(queue, job) == {"completed": 1}, 30)
        # An item may leave something for the next ones; a copy says who it is after its item has ended.
        eventually(left, 30)
        worker.send_signal(signal.SIGTERM)
        assert 0 == worker.wait(20)
        assert [] == left()


@pytest.mark.parametrize("do", [*MARKED, *BARE])
def test_it_ends_when_the_worker_is_killed(queue: Client, dsn: str, left: Left, do: str) -> None:
    submit(queue, left.item(do, s=60), handler="processes")
    with worker_process(dsn, "--import", "process_handlers", "--slots", "2") as worker:
        eventually(left, 30)
        below = descendants(worker.pid)
        worker.kill()
        worker.wait(20)
        eventually(lambda: not left() and not any(alive(pid) for pid in below))


@pytest.mark.parametrize("do", MARKED)
def test_it_ends_when_the_fork_server_is_killed(queue: Client, dsn: str, left: Left, do: str) -> None:
    submit(queue, left.item(do, s=60), handler="processes", max_losses=0)
    with worker_process(dsn, "--import", "process_handlers", "--slots", "1") as worker:
        if do in MARKED[1:]:
            eventually(left.trace.exists, 30)
        first = eventually(left, 30)
        os.kill(children(worker.pid)[0], signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in first))
        assert worker.poll() is None
        eventually(lambda: not zombies(worker.pid), 5)


def test_what_a_program_has_started_ends_with_the_stop(queue: Client, dsn: str, left: Left) -> None:
    job = submit(queue, "{}", handler="program")
    command = f"program=sh -c '(setsid sleep {left.token} >/dev/null 2>&1 &) ; true'"
    with worker_process(dsn, "--exec", command, "--slots", "1") as worker:
        eventually(lambda: statuses(queue, job) == {"completed": 1}, 30)
        worker.send_signal(signal.SIGTERM)
        assert 0 == worker.wait(20)
        assert [] == left()


@contextmanager
def as_pid_1(dsn: str, *options: str) -> Iterator[int]:
    """Run a worker as the first process of a namespace, as in a container, and return its process outside."""
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    words = evtrack_command("work", "--dsn", dsn, "--import", "process_handlers", *options)
    process = subprocess.Popen([*argv, *words], cwd=HANDLER_DIRECTORY, env=environment(), stderr=subprocess.DEVNULL)
    try:
        yield eventually(lambda: children(process.pid))[0]
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs a process namespace")
def test_as_pid_1_it_leaves_no_zombies(queue: Client, dsn: str) -> None:
    helper = {"do": "leave a daemon", "token": "0.1"}
    dying = {"do": "leave a child", "token": "600", "segv": True}
    job = submit(queue, *[json.dumps(helper)] * 20, *[json.dumps(dying)] * 10, handler="processes", max_crashes=1)
    with as_pid_1(dsn, "--slots", "2") as worker:
        eventually(lambda: statuses(queue, job) == {"completed": 20, "crashed": 10}, 60)
        eventually(lambda: not zombies(worker))
        (fork_server,) = children(worker)
        # A process that somebody else leaves to the first one of the namespace.
        nsenter = ["nsenter", "--target", str(worker), "--pid", "/bin/sh", "-c", "sleep 0.1 & sleep 0.1 &"]
        subprocess.run(nsenter, check=True)
        eventually(lambda: children(worker) == [fork_server])
        os.kill(fork_server, signal.SIGKILL)
        eventually(lambda: not alive(fork_server) and not zombies(worker))
