"""What several tests need: waiting for something with a deadline, and running the command line."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def eventually(predicate: Callable[[], T], timeout_s: float = 10.0, *, every_s: float = 0.02) -> T:
    """Ask until the answer is true.

    Args:
        predicate: What to ask; an AssertionError counts as a no.
        timeout_s: For how long to ask.
        every_s: The pause between two questions.

    Returns:
        The first true answer.

    Raises:
        AssertionError: If there was none in time; it names the last answer.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        refusal: AssertionError | None = None
        answer: T | None = None
        try:
            answer = predicate()
        except AssertionError as error:
            refusal = error
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s} s; the last answer was {answer!r}") from refusal
        time.sleep(every_s)


def environment(**changes: str) -> dict[str, str]:
    """Return the environment without what names a server, so that a test alone decides on one.

    Args:
        **changes: Variables to set.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EVTRACK_", "PG", "DATABASE_URL"))}
    return {**kept, **changes}


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
