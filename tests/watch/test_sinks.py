"""Sinks: programs that get alerts, and the thread that bounds, retries and logs deliveries."""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from evtrack.domain import log_names
from evtrack.domain.alerts import Alert, alert_from
from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.exec_sink import ExecSink
from evtrack.runtime.watch.sink_thread import SinkError, SinkThread
from polling import eventually
from webhook_server import ALERT


def test_a_program_gets_the_alert_on_stdin(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f"import sys; open({str(out)!r}, 'wb').write(sys.stdin.buffer.read())"
    ExecSink(f"{sys.executable} -c {json.dumps(script)}").send(ALERT)
    assert ALERT.text() + "\n" == out.read_text(encoding="utf-8")
    assert 7 == json.loads(out.read_text(encoding="utf-8"))["batch_no"]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("sh -c 'exit 3'", "sh ended with exit code 3"),
        ("sh -c 'kill -9 $$'", "sh ended with SIGKILL"),
    ],
)
def test_a_program_that_fails_is_reported(command: str, why: str) -> None:
    with pytest.raises(SinkError, match=why):
        ExecSink(command).send(ALERT)


def test_a_program_that_was_removed_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "page-me"
    path.touch(mode=0o755)
    program = ExecSink(str(path))
    path.unlink()
    with pytest.raises(SinkError, match=r"cannot start .*: No such file"):
        program.send(ALERT)


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    begun = time.monotonic()
    with pytest.raises(SinkError, match=r"took more than 0\.5 s and was killed"):
        ExecSink(f"sh -c 'sleep 60 & echo $! > {pids}; wait'", limit_s=0.5).send(ALERT)
    assert time.monotonic() - begun < 5
    pid = int(pids.read_text(encoding="utf-8"))
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


@pytest.mark.parametrize("command", ["", "sh -c 'no end", "/no/such/program"])
def test_an_invalid_program_is_refused(command: str) -> None:
    with pytest.raises(BadArgument, match="--exec"):
        ExecSink(command)


class Moody:
    """A sink that fails when the test wants it to."""

    name = "moody"

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.sent: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.aborted = threading.Event()

    def send(self, alert: Alert) -> None:
        while not self.gate.wait(0.01):
            if self.aborted.is_set():
                raise SinkError("aborted")
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        self.sent.append(alert.alert_id)

    def abort(self) -> None:
        self.aborted.set()


def numbered(number: int) -> Alert:
    return alert_from({**ALERT.line(), "alert_id": number})


def failures(logs: list[Any]) -> list[tuple[int, str, str, bool]]:
    return [
        (line["alert_id"], line["log_level"], line["error"], line["event"] == log_names.ALERT_SINK_GAVE_UP)
        for line in logs
        if line["event"].startswith("alert_sink_")
    ]


def test_a_failed_delivery_is_retried_a_bounded_number_of_times_and_logged() -> None:
    sink = Moody(SinkError("one"), ValueError("two"), None, *[SinkError("no")] * 3, SinkError("gone", again=False))
    thread = SinkThread(sink, tries=3, backoff_s=0.001)
    with capture_logs() as logs:
        thread.start()
        for number in (1, 2, 3, 4):
            thread.enqueue(numbered(number))
        thread.close()
        assert thread.join(10)
    assert [1, 4] == sink.sent
    assert (2, 2) == (thread.sent, thread.failed)
    assert [
        (1, "warning", "one", False),
        (1, "warning", "ValueError: two", False),
        (2, "warning", "no", False),
        (2, "warning", "no", False),
        (2, "error", "no", True),
        (3, "error", "gone", True),
    ] == failures(logs)


def test_alerts_beyond_the_queue_limit_are_dropped_without_waiting() -> None:
    sink = Moody()
    sink.gate.clear()
    thread = SinkThread(sink, size=2)
    with capture_logs() as logs:
        thread.start()
        thread.enqueue(numbered(1))
        eventually(lambda: thread.waiting == 0)
        for number in (2, 3, 4):
            thread.enqueue(numbered(number))
        assert 2 == thread.waiting
        sink.gate.set()
        thread.close()
        assert thread.join(10)
    assert [1, 2, 3] == sink.sent
    assert [(4, "error", "its queue is full", True)] == failures(logs)


def test_a_sink_that_never_answers_does_not_block_the_watcher() -> None:
    sink = Moody()
    sink.gate.clear()
    thread = SinkThread(sink, backoff_s=60)
    with capture_logs() as logs:
        thread.start()
        thread.enqueue(numbered(1))
        thread.enqueue(numbered(2))
        assert not thread.join(0.05)
        thread.give_up()
        assert thread.join(10)
    assert [1, 2] == [line[0] for line in failures(logs) if line[3]]
