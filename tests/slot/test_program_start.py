"""A program starts from what the worker was, whatever handlers in the same slot have changed."""

import json
import os
import resource
import signal
from pathlib import Path

import pytest

from evtrack.runtime.slot.protocol import BatchesDone, Setup
from slot_driver import claimed_batch, slot
from workers import HANDLER_DIRECTORY

pytestmark = pytest.mark.crash

SCRIPT = """
import json, os, resource, signal, sys
print(json.dumps({
    "directory": os.getcwd(),
    "kept": os.environ.get("KEPT_FOR_TEST"),
    "added": os.environ.get("ADDED"),
    "umask": os.umask(0),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "status": open("/proc/self/status").read(),
}))
"""


def last_result(command: list[str]) -> bytes:
    """Run a handler that changes all it can, then a program in the same slot, and return the program's result."""
    setup = Setup(["process_handlers"], {"program": command}, [], HANDLER_DIRECTORY)
    with slot(setup) as one:
        one.give(claimed_batch({"do": "change everything"}, handler="processes"))
        one.receive(1)
        one.give(claimed_batch({}, handler="program", batch_no=2))
        frame = one.receive(2)[1]
        assert isinstance(frame, BatchesDone), frame
        assert frame.results
        return frame.results[0] or b""


def test_a_program_starts_from_what_the_worker_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT_FOR_TEST", "1")
    script = tmp_path / "report.py"
    script.write_text(SCRIPT)
    found = json.loads(last_result(["python3", str(script)]))
    status = dict(line.split(":\t", 1) for line in found.pop("status").splitlines() if ":\t" in line)
    mask = os.umask(0)
    os.umask(mask)
    expected = {
        "directory": str(Path.cwd()),
        "kept": "1",
        "added": None,
        "umask": mask,
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    }
    assert expected == found
    ignored = int(status["SigIgn"], 16) & ~(1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
    assert (0, 0) == (ignored, int(status["SigBlk"], 16)), "Python itself ignores SIGPIPE and SIGXFSZ"


def test_a_program_found_from_the_workers_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "prog"
    program.write_text("#!/bin/sh\necho heard >&2\necho 5\n")
    program.chmod(0o755)
    assert last_result(["./prog"]) == b"5"


def test_a_slot_survives_signals_and_what_it_starts_does_not() -> None:
    with slot(Setup(["process_handlers"], {}, [], HANDLER_DIRECTORY)) as one:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            os.kill(one.process.pid, number)
        one.give(claimed_batch({"do": "terminate processes"}, handler="processes"))
        (frame,) = one.receive(1)
        assert isinstance(frame, BatchesDone), frame
