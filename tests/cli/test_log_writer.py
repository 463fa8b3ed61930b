"""Whoever reads the log too slowly, or not at all, costs lines and never work."""

import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any

import pytest

from evtrack.interfaces.log_writer import LogWriter
from polling import eventually


class Pipe:
    """A pipe in place of stderr, which is read only when a test wants to."""

    def __init__(self) -> None:
        self.reader, write_end = os.pipe()
        self.stream = TextIOWrapper(os.fdopen(write_end, "wb", buffering=0), write_through=True)

    def lines(self, until: str) -> list[str]:
        """Read until a line that contains this, at most for ten seconds."""
        os.set_blocking(self.reader, False)
        read = b""

        def more() -> bool:
            nonlocal read
            with suppress(BlockingIOError):
                while piece := os.read(self.reader, 1 << 16):
                    read += piece
            return until.encode() in read and read.endswith(b"\n")

        eventually(more)
        return read.decode().splitlines()


@contextmanager
def started(limit: int = 1 << 20) -> Iterator[tuple[LogWriter, Pipe, list[tuple[int, str]]]]:
    """Start a writer to a pipe, and note what it reports about dropped lines."""
    writer, dropped = LogWriter(limit=limit), list[tuple[int, str]]()

    def report(lines: int, reason: str) -> None:
        dropped.append((lines, reason))
        writer.write("some were dropped\n")

    pipe, before = Pipe(), sys.stderr
    # Not in a fixture: pytest sets the stream again before the test runs.
    sys.stderr = pipe.stream
    try:
        writer.start(report)
        yield writer, pipe, dropped
    finally:
        sys.stderr = before
        os.close(pipe.reader)


def test_lines_arrive_in_order_from_a_thread() -> None:
    with started() as (writer, pipe, dropped):
        for number in range(100):
            writer.write(f"line {number}\n")
        assert writer.flush(10)
        assert [f"line {n}" for n in range(100)] == pipe.lines("line 99")
        assert [] == dropped


def test_a_reader_that_stops_costs_lines_which_are_counted_when_it_goes_on() -> None:
    with started(limit=200_000) as (writer, pipe, dropped):
        begun = time.monotonic()
        for number in range(1000):
            writer.write(f"line {number} {'x' * 1000}\n")
        assert time.monotonic() - begun < 5
        assert not writer.flush(0.05)
        lines = pipe.lines("some were dropped")
        ((count, reason),) = dropped
        assert len(lines) == 1000 - count + 1
        assert 500 < count < 1000
        assert reason == "nobody reads the log fast enough"
        writer.write("after\n")
        assert ["after"] == pipe.lines("after")


def test_an_exiting_process_waits_for_a_slow_reader_but_not_for_one_that_has_stopped() -> None:
    with started() as (writer, pipe, _):
        writer.write("x" * 100_000 + "\n")
        begun = time.monotonic()
        writer.close()
        assert time.monotonic() - begun < 5
        pipe.lines("xxx\n")


def test_a_message_waits_for_its_line_once_and_not_again_while_the_reader_has_stopped() -> None:
    with started() as (writer, pipe, _):
        writer.write("first\n", wait_s=10)
        assert b"first\n" == os.read(pipe.reader, 100)
        writer.write("x" * 100_000 + "\n")
        begun = time.monotonic()
        for _ in range(20):
            writer.write("message\n", wait_s=0.5)
        assert time.monotonic() - begun < 6


def test_a_torn_line_is_ended_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = os.write, [0, 3]

    def full_disk(fd: int, data: Any) -> int:
        if fd == sys.stderr.fileno() and left:
            if room := left.pop():
                return real(fd, bytes(data)[:room])
            raise OSError(28, "No space left on device")
        return real(fd, data)

    with started() as (writer, pipe, dropped):
        monkeypatch.setattr(os, "write", full_disk)
        writer.write("torn line\n")
        writer.write("next\n")
        assert ["tor", "next", "some were dropped"] == pipe.lines("dropped")
        assert [(1, "No space left on device")] == dropped


def test_a_stream_that_does_not_block_loses_nothing() -> None:
    with started() as (writer, pipe, dropped):
        os.set_blocking(pipe.stream.fileno(), False)
        for number in range(200):
            writer.write(f"{number} {'x' * 1000}\n")
        assert 200 == len(pipe.lines("\n199 "))
        assert [] == dropped


def test_a_forked_copy_writes_by_itself() -> None:
    with started() as (writer, pipe, _):
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with writer._lock:
                held.set()
                release.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)
        pid = _fork()
        if not pid:
            writer.write("from the copy\n")
            os._exit(0)
        release.set()
        thread.join()
        assert 0 == os.waitpid(pid, 0)[1]
        assert ["from the copy"] == pipe.lines("copy")


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
