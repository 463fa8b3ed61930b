"""Run the command line in a process of its own, with a clean environment."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def environment(**changes: str) -> dict[str, str]:
    """Return the environment without what names a server, so that a test alone decides on one.

    The state directory stays: it is the test session's.

    Args:
        **changes: Variables to set.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EVTRACK_", "PG", "DATABASE_URL"))}
    state = {k: v for k, v in os.environ.items() if k == "EVTRACK_STATE_DIR"}
    return {**kept, **state, **changes}


def evtrack(
    *args: str,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float = 60.0,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own.

    Args:
        *args: What follows `evtrack`.
        env: Variables on top of a clean environment.
        stdin: What it reads.
        timeout_s: After which it is killed and the test fails.
        cwd: The folder that it runs in.

    Returns:
        Exit code, stdout and stderr.
    """
    return subprocess.run(
        evtrack_command(*args),
        check=False,
        capture_output=True,
        text=True,
        env=environment(**(env or {})),
        input=stdin or "",
        timeout=timeout_s,
        cwd=cwd,
    )


def evtrack_command(*args: str) -> Sequence[str]:
    """Return the words that run `evtrack` with the interpreter of the tests."""
    return [sys.executable, "-m", "evtrack", *args]


@contextmanager
def evtrack_process(
    *args: str, cwd: str | None = None, stdin: int | None = None, stderr: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """Run the command line in the background, and kill it when the block ends.

    Args:
        *args: What follows `evtrack`.
        cwd: The directory that it runs in.
        stdin: What it reads, as subprocess.Popen takes it.
        stderr: Where it writes its log, as subprocess.Popen takes it.
    """
    process = subprocess.Popen(
        evtrack_command(*args),
        cwd=cwd,
        env=environment(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
