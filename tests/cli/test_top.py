"""`evtrack top` in a real terminal: what it shows, and that it restores the terminal however it ends."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

import servers
from client import Client
from command_line import environment, evtrack_command
from evtrack.interfaces.cli import cli
from evtrack.storage.connection.connect import connect

pytestmark = pytest.mark.integration

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A process on a terminal of 80 columns, and all that it has drawn."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master, self.process, self.drawn = master, process, ""

    def until(self, words: str, timeout_s: float = 30.0) -> None:
        """Read until something is drawn."""
        begin, deadline = len(self.drawn), time.monotonic() + timeout_s
        while words not in _ESCAPE.sub("", self.drawn[begin:]):
            assert time.monotonic() < deadline, f"{words!r} is not in {self.drawn[-2000:]!r}"
            self._read()

    def ended(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        deadline = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self._read()
        self._read()
        return self.process.returncode

    def _read(self) -> None:
        if select.select([self.master], [], [], 0.1)[0]:
            self.drawn += os.read(self.master, 1 << 16).decode("utf-8", "replace")


@contextmanager
def top(dsn: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        evtrack_command("top", "--dsn", dsn, "--interval", "0.2"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(TERM="xterm", COLUMNS="80"),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    try:
        yield Terminal(master, process)
        assert before == termios.tcgetattr(slave), "keys are echoed and lines edited as before"
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


@pytest.fixture
def job(client: Client) -> int:
    job, worker = client.job(4, items=2, max_crashes=1), client.worker()
    one, two, *_ = client.claim(worker, job)
    client.complete(worker, [one])
    client.crash(worker, [two], cause="signal", signal="SIGSEGV", item_key="key:3", ordinal=3)
    return job


@pytest.mark.parametrize("way", ["q", "ctrl-c", "sigterm"])
def test_top_shows_the_current_state_and_restores_the_terminal(dsn: str, client: Client, job: int, way: str) -> None:
    with top(dsn) as terminal:
        terminal.until("SIGSEGV")
        assert "\x1b[?1049h" in terminal.drawn, "a screen of its own"
        second = client.job(7)
        terminal.until(f"{second}")
        if way == "sigterm":
            terminal.process.send_signal(signal.SIGTERM)
        else:
            os.write(terminal.master, b"q" if way == "q" else b"\x03")
        assert 0 == terminal.ended()
    for words in ("Jobs", "Workers", "Latest crashes", "annotate", "key:3"):
        assert words in _ESCAPE.sub("", terminal.drawn)
    left = terminal.drawn[terminal.drawn.rindex("\x1b[?1049l") :]
    assert "\x1b[?25h" in terminal.drawn[terminal.drawn.rindex("\x1b[?25l") :], "the cursor is there again"
    assert "Traceback" not in left
    assert job


def test_top_reports_and_survives_a_database_restart() -> None:
    with servers.one_of_its_own() as (dsn, restart):
        with connect(dsn, purpose="test") as conn:
            Client(conn, "annotate").job(3)
        with top(dsn) as terminal:
            terminal.until("annotate")
            restart()
            terminal.until("no connection for")
            with connect(dsn, purpose="test") as conn:
                Client(conn, "after-the-restart").job(3)
            terminal.until("after-the-resta")
            os.write(terminal.master, b"q")
            assert 0 == terminal.ended()


def test_one_frame_fits_80_columns_and_can_be_json(dsn: str, client: Client, job: int) -> None:
    client.one("SELECT evtrack.enqueue(%s, '{a}', '{1}', name => %s)", "a-very-long-name-of-a-handler-" * 4, "n" * 90)
    client.worker("a-very-long-name-of-a-handler-" * 4)
    shown = CliRunner().invoke(cli, ["top", "--once", "--dsn", dsn]).stdout
    assert [] == [line for line in shown.splitlines() if len(line) > 80]
    assert re.search(rf"^ +{job} .* 37\.5 % +8 ", shown, re.MULTILINE)
    assert "\x1b" not in shown
    found = json.loads(CliRunner().invoke(cli, ["top", "--json", "--dsn", dsn]).stdout)
    assert {"at", "health", "jobs", "workers", "crashes", "running"} == set(found)
    assert 2 == len(found["jobs"])


def test_without_a_server_the_error_says_so(dsn: str) -> None:
    assert 5 == CliRunner().invoke(cli, ["top", "--dsn", f"{dsn} port=1 host=127.0.0.1"]).exit_code
