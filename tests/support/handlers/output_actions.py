"""What handlers of tests print, and how: natively, by a child, in frames, more than anybody reads."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def print_text(how: str, text: str) -> None:
    """Print a text in one of several ways."""
    if how == "print natively":
        os.write(2, f"{text}\n".encode())
    elif how == "print by a child":
        subprocess.run(["/bin/cat"], input=f"{text}\n".encode(), check=True)
    elif how == "print the marks of another line":
        # A mark that stands at the end of one line, and goes on in the next.
        sys.stdout.write(text[:12])
        sys.stdout.flush()
        print(text[12:])  # noqa: T201  that is the action
    else:
        print(text)  # noqa: T201  the same


def _print_much(_: Any) -> None:
    for number in range(60):
        print(number, "x" * 1900)  # noqa: T201  that is the action


def _print_non_blocking(_: Any) -> None:
    subprocess.run([sys.executable, "-c", "import os; os.set_blocking(2, False)"], check=True)
    for number in range(1000):
        print(number, "x" * 1000)  # noqa: T201  that is the action


def _print_frames(_: Any) -> None:
    for _ in range(50):
        print("\x00\x00\x00\x05\x93\xa4done")  # noqa: T201  that is the action


OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "print": lambda ctx: print(f"hello from {ctx.item_key}"),  # noqa: T201
    "print to stderr": lambda ctx: print(f"trouble at {ctx.item_key}", file=sys.stderr),  # noqa: T201
    "print natively": lambda ctx: os.write(1, f"native at {ctx.item_key}\n".encode()),
    "print frames": _print_frames,
    "print much": _print_much,
    "print after a program made stderr non-blocking": _print_non_blocking,
    "log": lambda ctx: ctx.log.info("said", x=1),
    "log by logging": lambda ctx: logging.getLogger("misbehaving_handlers").warning("odd %s", ctx.item_key),
}
