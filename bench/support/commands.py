"""evtrack's commands as processes, for the programs of rows/: those of the checkout whose interpreter runs this."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import database

BENCH = Path(__file__).parents[1]

_POLL_S = 0.02
_PATIENCE_S = 300


def evtrack(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a command in the directory of the benchmarks' handlers, without EVTRACK_* from outside.

    Args:
        arguments: The command's arguments.
        options: Further options of Popen.
    """
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "evtrack", *arguments], cwd=BENCH, env=environment(), **options
    )


def environment() -> dict[str, str]:
    """Return the environment without EVTRACK_*."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EVTRACK_")}


def worker(dsn: str, module: str, *options: str, slots: int = 1) -> "subprocess.Popen[bytes]":
    """Start a worker.

    Args:
        dsn: The database.
        module: The module of the handlers.
        options: Further options.
        slots: Its slots.
    """
    return evtrack("--log-level", "error", "work", "--dsn", dsn, "--import", module, "--slots", str(slots), *options)


def stop(*processes: "subprocess.Popen[bytes]") -> None:
    """Terminate processes, and wait until all have ended."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running(*processes: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """Stop processes at the end; yields the first."""
    try:
        yield processes[0]
    finally:
        stop(*processes)


def wait_until(condition: Callable[[], bool], *processes: "subprocess.Popen[bytes]", every_s: float = _POLL_S) -> None:
    """Poll until a condition holds.

    Args:
        condition: What to call.
        processes: What must not end meanwhile.
        every_s: How often.

    Raises:
        RuntimeError: If a process has ended.
        TimeoutError: If the condition does not hold within five minutes.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"ended with exit code {process.returncode}: {process.args!r}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing within {_PATIENCE_S} s")
        time.sleep(every_s)


def verify(dsn: str) -> None:
    """Check that the log, the projection and the counters agree.

    Raises:
        RuntimeError: If they differ.
    """
    process = evtrack("--log-level", "warning", "verify", "--dsn", dsn, stdout=subprocess.PIPE)
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"evtrack verify found differences: {output.decode()}")


def check_done(conn: database.Connection, batches: int, *, status: str = "completed", events: int = 3) -> None:
    """Check that all jobs are finished, and that each batch has its status and its events.

    Args:
        conn: The database.
        batches: How many batches there must be.
        status: The status of each.
        events: The events of each.
    """
    found = conn.execute("SELECT status::text, count(*) FROM evtrack.batch GROUP BY 1").fetchall()
    assert found == [(status, batches)], found
    logged = database.value(conn, "SELECT count(*) FROM evtrack.event WHERE batch_no > 0")
    assert logged == events * batches, logged
    assert not database.value(conn, "SELECT count(*) FROM evtrack.job WHERE phase <> 'finished'")
