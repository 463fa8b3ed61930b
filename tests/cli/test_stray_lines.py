"""With --log-format json every line on stderr is JSON: those of libraries, warnings and unhandled exceptions too."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import gc, logging, sys, threading, warnings
from evtrack.interfaces.logs import configure_logs, start_log_thread
from evtrack.interfaces.stray_lines import capture_stray_lines

configure_logs(log_format=sys.argv[1])
start_log_thread()
capture_stray_lines()
logging.getLogger("psycopg").warning("error ignored terminating %s", "a connection\\nof two lines")
warnings.warn("old", DeprecationWarning, stacklevel=1)

class Bad:
    def __del__(self):
        raise ValueError("in a finalizer")

Bad()
thread = threading.Thread(target=lambda: 1 / 0, name="some-thread")
thread.start()
thread.join()
raise RuntimeError("at the end")
"""


def whose(line: dict[str, str]) -> str:
    """Return whose exception it is, without an address."""
    return line["where"].removeprefix("<function ").partition(" at ")[0]


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_libraries_and_the_interpreter_write_is_logged(form: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "default", "-c", SCRIPT, form],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert 1 == ended.returncode
    if form == "console":
        assert "RuntimeError: at the end" in ended.stderr
        return
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [
        ("library_log", "warning", "psycopg"),
        ("python_warning", "warning", "DeprecationWarning"),
        ("unexpected_error", "error", "Bad.__del__"),
        ("unexpected_error", "error", "some-thread"),
        ("unexpected_error", "error", "main"),
    ] == [(line["event"], line["level"], line.get("logger") or line.get("category") or whose(line)) for line in lines]
    for line, text in zip(lines[2:], ("in a finalizer", "division by zero", "at the end"), strict=True):
        assert text in line["exception"]
