"""Sinks of alerts beside the log line: signed, bounded, logged, and nobody else waits for them."""

import base64
import hashlib
import hmac
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from evtrack.domain import log_names
from evtrack.domain.alerts import Alert, alert_from
from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.exec_sink import ExecSink
from evtrack.runtime.watch.sink_thread import SinkError, SinkThread
from evtrack.runtime.watch.webhook_sink import WebhookSink
from polling import eventually

ALERT = alert_from(
    {
        "event": "batch_failed",
        "level": "error",
        "timestamp": datetime(2026, 11, 25, tzinfo=UTC),
        "alert_id": 12,
        "job_id": 3,
        "batch_no": 7,
        "error": "ü",
    }
)


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Have a server that treats each connection as told; it ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/hook?x=1"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def request(connection: socket.socket) -> bytes:
    """Read a whole request."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(
        next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def says(status: int, seen: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    """Answer with a status, and keep the request."""

    def answer(connection: socket.socket) -> None:
        got = request(connection)
        if seen is not None:
            seen.append(got)
        connection.sendall(
            f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\n\r\n".encode()
        )

    return answer


def test_a_post_is_signed_over_its_id_time_and_body() -> None:
    seen: list[bytes] = []
    with answering(says(204, seen)) as url:
        WebhookSink(url, secret="whsec_" + base64.b64encode(b"key").decode()).send(ALERT)
        WebhookSink(url, secret="key").send(ALERT)
        WebhookSink(url).send(ALERT)
    for got in seen[:2]:
        head, _, body = got.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert ALERT.line() == json.loads(body)
        assert head.startswith(b"POST /hook?x=1 HTTP/1.1")
        assert ("alert_12", "application/json") == (lines["webhook-id"], lines["Content-Type"])
        signed = f"alert_12.{lines['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(b"key", signed, hashlib.sha256).digest()).decode()
        assert f"v1,{expected}" == lines["webhook-signature"]
        assert abs(time.time() - int(lines["webhook-timestamp"])) < 60
    assert b"webhook-signature" not in seen[2]


@pytest.mark.parametrize(("status", "again"), [(500, True), (503, True), (429, True), (404, False), (301, False)])
def test_a_response_without_success_is_a_failure(status: int, *, again: bool) -> None:
    with answering(says(status)) as url, pytest.raises(SinkError, match=f"127.0.0.1 answered {status}") as caught:
        WebhookSink(url).send(ALERT)
    assert again == caught.value.again


def hang(connection: socket.socket) -> None:
    request(connection)
    connection.recv(1)


def drip(connection: socket.socket) -> None:
    request(connection)
    for _ in range(200):
        connection.sendall(b"H")
        time.sleep(0.02)


@pytest.mark.parametrize("behaviour", [hang, drip], ids=["hangs", "sends a byte at a time"])
def test_a_slow_server_is_cut_off(behaviour: Callable[[socket.socket], None]) -> None:
    begun = time.monotonic()
    with answering(behaviour) as url, pytest.raises(SinkError, match=r"no answer within 0\.3 s"):
        WebhookSink(url, limit_s=0.3).send(ALERT)
    assert time.monotonic() - begun < 3


def test_a_socket_timeout_before_the_timer_gives_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evtrack.runtime.watch.webhook_sink.threading.Timer.start", lambda _: None)
    with answering(hang) as url, pytest.raises(SinkError, match=r"no answer within 0\.3 s"):
        WebhookSink(url, limit_s=0.3).send(ALERT)


def test_a_slow_server_within_the_limit_is_awaited() -> None:
    def slow(connection: socket.socket) -> None:
        got = request(connection)
        time.sleep(0.2)
        assert got
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with answering(slow) as url:
        WebhookSink(url, limit_s=5).send(ALERT)


def test_a_refused_or_closed_connection_is_a_failure_without_the_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SinkError, match="ConnectionRefusedError") as caught:
        WebhookSink(f"http://127.0.0.1:{port}/token").send(ALERT)
    assert "token" not in str(caught.value)
    with answering(lambda connection: connection.close()) as url, pytest.raises(SinkError):
        WebhookSink(url).send(ALERT)


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("ftp://host/", None),
        ("https:///path", None),
        ("https://user:password@host/", None),
        ("http://host:99999/", None),
        ("http://host/", ""),
        ("http://host/", "whsec_no base64!"),
    ],
)
def test_an_invalid_webhook_is_refused_without_showing_its_secrets(url: str, secret: str | None) -> None:
    with pytest.raises(BadArgument) as caught:
        WebhookSink(url, secret=secret)
    assert "password" not in str(caught.value)
    assert "no base64!" not in str(caught.value)


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
    """A sink that fails as told."""

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
