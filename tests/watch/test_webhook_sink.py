"""The webhook sink: signed posts, time limits, and errors that hide the URL."""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable

import pytest

from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.sink_thread import SinkError
from evtrack.runtime.watch.webhook_sink import WebhookSink
from webhook_server import ALERT, answering, request


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
