"""A worker works on whatever its stderr is: a pipe that nobody reads, a full disk, a reader that is gone, or closed."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import Client
from command_line import environment, evtrack_command
from polling import eventually
from workers import HANDLER_DIRECTORY, statuses, submit

pytestmark = [pytest.mark.integration, pytest.mark.crash]

BATCHES = 10

TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@contextmanager
def a_worker(dsn: str, *options: str, stderr: int | None, words: str = 'exec "$@"') -> Iterator[subprocess.Popen[str]]:
    command = evtrack_command("work", "--dsn", dsn, "--import", "misbehaving_handlers", *options)
    process = subprocess.Popen(
        ["/bin/sh", "-c", words, "sh", *command], cwd=HANDLER_DIRECTORY, env=environment(), stderr=stderr, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def noisy(queue: Client) -> int:
    """Submit batches that together print far more than a pipe holds."""
    return submit(queue, *['{"do": "print much"}'] * BATCHES)


def is_done(queue: Client, job: int) -> bool:
    return statuses(queue, job) == {"completed": BATCHES}


def test_a_reader_that_stops_costs_lines_and_never_work(dsn: str, queue: Client) -> None:
    job = noisy(queue)
    reader, writer = os.pipe()
    with a_worker(dsn, "--slots", "2", "--log-format", "json", stderr=writer) as process:
        os.close(writer)
        eventually(lambda: is_done(queue, job), 30)
        # Limits and signals are served too.
        stuck = submit(queue, '{"do": "sleep", "s": 60}', timeout_s=0.2, max_crashes=1)
        eventually(lambda: statuses(queue, stuck) == {"crashed": 1}, 20)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(20)
    read = b""
    while piece := os.read(reader, 1 << 16):
        read += piece
    os.close(reader)
    lines = read.decode().split("\n")
    assert all(json.loads(line) for line in lines[:-1]), "only the last line may be torn"


@pytest.mark.parametrize("how", ["2>/dev/full", "2>&-", "2>&- 1>&- 0<&-"])
def test_a_full_disk_or_a_closed_stderr_harms_nothing(how: str, dsn: str, queue: Client) -> None:
    job = noisy(queue)
    with a_worker(dsn, "--drain", stderr=None, words=f'exec "$@" {how}') as process:
        assert 0 == process.wait(30)
    assert is_done(queue, job)


def test_a_reader_that_is_gone_harms_nothing(dsn: str, queue: Client) -> None:
    job = noisy(queue)
    reader, writer = os.pipe()
    os.close(reader)
    with a_worker(dsn, "--drain", stderr=writer) as process:
        os.close(writer)
        assert 0 == process.wait(30)
    assert is_done(queue, job)


def test_every_line_is_json_while_sessions_are_terminated(dsn: str, queue: Client, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file, a_worker(dsn, "--log-format", "json", stderr=file.fileno()) as process:
        first = submit(queue, "{}")
        eventually(lambda: statuses(queue, first) == {"completed": 1}, 20)
        ended = 0
        while ended < 3:
            ended += eventually(lambda: queue.one(TERMINATE), 20)
        job = noisy(queue)
        eventually(lambda: is_done(queue, job), 30)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(20)
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert "worker_stopped" in [line["event"] for line in lines]


def test_a_terminal_that_holds_its_output_does_not_stop_a_run(dsn: str, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text('{"do": "print much"}\n' * BATCHES)
    words = ["run", str(items), "--handler", "scripted", "--batch-size", "1", "--dsn", dsn]
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        evtrack_command(*words, "--import", "misbehaving_handlers"),
        cwd=HANDLER_DIRECTORY,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    try:
        assert 0 == process.wait(40)
    finally:
        process.kill()
        process.wait(10)
        os.close(terminal)
        os.close(ours)
