"""A stopped terminal stops the slots with their worker, and they go on with it; a closed one is a stop."""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import Client
from command_line import environment, evtrack_command
from polling import eventually
from workers import (
    HANDLER_DIRECTORY,
    alive,
    descendants,
    items_begun,
    running_worker,
    slots_of,
    statuses,
    submit,
    worker_process,
)

pytestmark = [pytest.mark.integration, pytest.mark.crash]


class Terminal:
    """A process that leads the session of a terminal."""

    def __init__(self, argv: list[str]) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=HANDLER_DIRECTORY,
            env=environment(TERM="dumb"),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(slave)

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def until(self, words: bytes) -> None:
        """Read until something is written."""
        seen, deadline = b"", time.monotonic() + 30
        while words not in seen:
            assert time.monotonic() < deadline, seen[-2000:]
            if select.select([self.master], [], [], 0.1)[0]:
                seen += os.read(self.master, 1 << 16)

    def close(self) -> None:
        """Hang up."""
        if self.master >= 0:
            os.close(self.master)
        self.master = -1


@contextmanager
def terminal(*argv: str) -> Iterator[Terminal]:
    one = Terminal(list(argv))
    try:
        yield one
    finally:
        below = descendants(one.process.pid) if one.process.poll() is None else []
        one.close()
        one.process.kill()
        one.process.wait()
        for pid in below:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def worker_words(dsn: str, *options: str) -> list[str]:
    words = evtrack_command("work", "--dsn", dsn, "--import", "misbehaving_handlers", "--slots", "1", *options)
    return list(words)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0]


def worker_below(pid: int) -> int:
    return next(each for each in descendants(pid) if b"work" in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0"))


def seconds(count: float) -> None:
    """Let a limit pass while nothing runs that could be waited for."""
    time.sleep(count)


def test_ctrl_z_stops_the_slots_and_fg_continues_them(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, json.dumps({"do": "beat", "s": 3, "return": 1, "trace": str(trace)}), timeout_s=6, stall_s=4)
    with terminal("bash", "--norc", "--noprofile", "-i") as shell:
        quoted = " ".join(f"'{word}'" for word in worker_words(dsn, "--drain"))
        shell.type(f"{quoted}\n".encode())
        eventually(lambda: items_begun(trace, 1), 30)
        worker = worker_below(shell.process.pid)
        (slot, *_) = [int(line.split()[-1]) for line in trace.read_text().splitlines()]
        shell.type(b"\x1a")
        shell.until(b"Stopped")
        eventually(lambda: (state_of(worker), state_of(slot)) == ("T", "T"), 5)
        seconds(6)
        assert {"running": 1} == statuses(queue, job)
        shell.type(b"fg\n")
        eventually(lambda: statuses(queue, job) == {"completed": 1}, 20)
        eventually(lambda: not alive(worker), 20)
    assert [] == queue.rows("SELECT cause, signal FROM evtrack.crash")


def test_a_worker_that_was_stopped_for_longer_than_its_lease_is_fenced(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, json.dumps({"do": "beat", "s": 3, "return": 1, "trace": str(trace)}))
    with terminal("bash", "--norc", "--noprofile", "-i") as shell:
        quoted = " ".join(f"'{word}'" for word in worker_words(dsn, "--lease", "2", "--lose-grace", "1"))
        shell.type(f"{quoted}\n".encode())
        eventually(lambda: items_begun(trace, 1), 30)
        shell.type(b"\x1a")
        shell.until(b"Stopped")
        with running_worker(dsn, slots=1, lease_s=2.0, lose_grace_s=1.0):
            eventually(lambda: statuses(queue, job) == {"completed": 1}, 40)
            shell.type(b"fg\n")
            shell.until(b"worker_declared_lost")
            shell.type(b"\x03")
            eventually(lambda: not slots_of(shell.process.pid), 20)
    assert (0, 1) == (queue.one("SELECT max(crashes) FROM evtrack.batch"), len(statuses(queue, job)))
    assert {"completed": 1} == statuses(queue, job)


def test_a_container_that_was_paused_charges_no_item(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, json.dumps({"do": "beat", "s": 2, "return": 1, "trace": str(trace)}), timeout_s=4, stall_s=3)
    with worker_process(dsn, "--slots", "1") as worker:
        eventually(lambda: items_begun(trace, 1), 30)
        every = [worker.pid, *descendants(worker.pid)]
        for pid in every:
            os.kill(pid, signal.SIGSTOP)
        seconds(5)
        for pid in every:
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: statuses(queue, job) == {"completed": 1}, 20)
    assert [] == queue.rows("SELECT cause, signal FROM evtrack.crash")


def test_a_closed_terminal_is_a_stop(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[json.dumps({"do": "sleep", "s": 1, "trace": str(trace)})] * 3)
    with terminal(*worker_words(dsn)) as one:
        eventually(lambda: items_begun(trace, 1), 30)
        below = descendants(one.process.pid)
        one.close()
        assert 0 == one.process.wait(20)
        assert not any(alive(pid) for pid in below)
    assert [] == queue.rows("SELECT cause, signal FROM evtrack.crash")
    found = statuses(queue, job)
    assert 3 == found.get("completed", 0) + found.get("pending", 0)
    assert found.get("completed", 0) >= 1, "what runs may finish"
