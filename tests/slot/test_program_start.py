"""A program starts from what the worker was, whatever handlers in the same slot have changed."""

import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from evtrack.runtime.slot.protocol import BatchErrored, BatchesDone, Setup
from polling import eventually
from slot_driver import claimed_batch, slot
from workers import HANDLER_DIRECTORY, alive

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


CHANGES = pytest.mark.parametrize("do", ["change everything", "change everything beside a thread"])


def last_frame(do: str, command: list[str]) -> Any:
    """Run a handler that changes all it can, then a program in the same slot, and return how the program ended."""
    setup = Setup(["process_handlers"], {"program": command}, [], HANDLER_DIRECTORY)
    with slot(setup) as one:
        one.give(claimed_batch({"do": do}, handler="processes"))
        one.receive(1)
        one.give(claimed_batch({}, handler="program", batch_no=2))
        return one.receive(2)[1]


def last_result(do: str, command: list[str]) -> bytes:
    """Do the same, and return the program's result."""
    frame = last_frame(do, command)
    assert isinstance(frame, BatchesDone), frame
    assert frame.results
    return frame.results[0] or b""


@CHANGES
def test_a_program_starts_from_what_the_worker_was(do: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT_FOR_TEST", "1")
    script = tmp_path / "report.py"
    script.write_text(SCRIPT)
    found = json.loads(last_result(do, ["python3", str(script)]))
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


@CHANGES
def test_a_program_found_from_the_workers_directory(do: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "prog"
    program.write_text("#!/bin/sh\necho heard >&2\necho 5\n")
    program.chmod(0o755)
    assert last_result(do, ["./prog"]) == b"5"


@CHANGES
def test_a_program_that_is_missing_fails_its_batch(do: str) -> None:
    frame = last_frame(do, ["./absent", "--flag"])
    assert isinstance(frame, BatchErrored)
    assert ("FileNotFoundError", "[Errno 2] No such file or directory: './absent'") == (frame.type, frame.message)


def test_a_program_beside_threads_dies_with_its_slot(tmp_path: Path) -> None:
    begun = tmp_path / "pid"
    script = f"echo $$ >{begun}.new; mv {begun}.new {begun}; exec sleep 600"
    setup = Setup(["process_handlers"], {"program": ["/bin/sh", "-c", script]}, [], HANDLER_DIRECTORY)
    with slot(setup) as one:
        one.give(claimed_batch({"do": "change everything beside a thread"}, handler="processes"))
        one.receive(1)
        one.give(claimed_batch({}, handler="program", batch_no=2))
        pid = int(eventually(lambda: begun.exists() and begun.read_text()))
        # The slot alone, and by its own id: nothing else ends its group then.
        os.kill(one.process._fork_server.pid, signal.SIGSTOP)
        os.kill(one.process.pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))
        os.kill(one.process._fork_server.pid, signal.SIGCONT)


NOISY = "while :; do echo 'daemon alive' >&2; sleep 0.1; done & echo $! >{pid}; cat >/dev/null; echo 5"


@pytest.mark.parametrize("where", ["", "exec 2>&1;"])
def test_what_a_program_leaves_running_does_not_hold_its_batch(where: str, tmp_path: Path) -> None:
    script = where + NOISY.format(pid=tmp_path / "pid")
    begun = time.monotonic()
    with slot(Setup([], {"program": ["/bin/sh", "-c", script]}, [], "")) as one:
        one.give(claimed_batch({}, handler="program"))
        (frame,) = one.receive(1)
    assert time.monotonic() - begun < 20
    if where:
        assert "lines for 1 items" in frame.message
    else:
        assert [b"5"] == frame.results


def test_a_slot_survives_signals_and_what_it_starts_does_not() -> None:
    with slot(Setup(["process_handlers"], {}, [], HANDLER_DIRECTORY)) as one:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            os.kill(one.process.pid, number)
        one.give(claimed_batch({"do": "terminate processes"}, handler="processes"))
        (frame,) = one.receive(1)
        assert isinstance(frame, BatchesDone), frame
