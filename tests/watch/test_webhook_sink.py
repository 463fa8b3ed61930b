"""The webhook sink: signed posts, time limits, and errors that hide the URL."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.sink import SinkError
from evtrack.runtime.watch.webhook_sink import WebhookSink, signatures
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


def test_the_signature_is_the_one_of_the_standards_own_example() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signatures("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [key])
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signed


def test_while_secrets_are_rotated_each_signs() -> None:
    seen: list[bytes] = []
    secrets = ["whsec_" + base64.b64encode(key).decode() for key in (b"new", b"old")]
    with answering(says(204, seen)) as url:
        WebhookSink(url, secret=" ".join(secrets)).send(ALERT)
        for secret in secrets:
            WebhookSink(url, secret=secret).send(ALERT)
    both, new, old = (next(line for line in got.split(b"\r\n") if b"-signature" in line).split()[1:] for got in seen)
    assert 2 == len(both)
    assert 1 == len(new) == len(old)


@pytest.mark.parametrize(("status", "final"), [(500, False), (429, False), (404, False), (301, False), (410, True)])
def test_a_response_without_success_is_a_failure(status: int, *, final: bool) -> None:
    with answering(says(status)) as url, pytest.raises(SinkError, match=f"127.0.0.1 answered {status}") as caught:
        WebhookSink(url).send(ALERT)
    assert final == caught.value.final, "only 410 Gone asks for no more attempts"


def retry_after(header: str, body: str = "") -> Callable[[socket.socket], None]:
    """Answer that there were too many requests."""

    def answer(connection: socket.socket) -> None:
        request(connection)
        head = f"HTTP/1.1 429 X\r\nContent-Length: {len(body)}\r\nRetry-After: {header}\r\n\r\n"
        connection.sendall((head + body).encode())

    return answer


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("in half an hour", 1500, 1801),
        ("Mon, 30 Nov 2020 00:00:00 GMT", 0, 0),
        ("99999999999999999999", 3600, 3600),
        ("soon", 0, 0),
        ("-1", 0, 0),
    ],
)
def test_an_answer_may_say_when_to_try_again(header: str, least: float, most: float) -> None:
    if header == "in half an hour":
        header = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)
    with answering(retry_after(header)) as url, pytest.raises(SinkError) as caught:
        WebhookSink(url).send(ALERT)
    assert least <= caught.value.retry_after_s <= most


@pytest.mark.parametrize(("body", "shown"), [("no_service", "answered 429 no_service"), ("no /token", "answered 429")])
def test_an_error_code_is_shown_and_nothing_that_may_repeat_the_url(body: str, shown: str) -> None:
    with answering(retry_after("1", body)) as url, pytest.raises(SinkError) as caught:
        WebhookSink(url).send(ALERT)
    assert f"127.0.0.1 {shown}" == str(caught.value)


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
    monkeypatch.setattr("evtrack.runtime.watch.http_post.threading.Timer.start", lambda _: None)
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


def test_an_answer_that_accepts_the_alert_is_not_read_to_its_end() -> None:
    def hanging(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        connection.recv(1)

    begun = time.monotonic()
    with answering(hanging) as url:
        WebhookSink(url, limit_s=20).send(ALERT)
    assert time.monotonic() - begun < 10


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
        ("http://host/p\u00e4ssword", None),
        ("http://host/password\n", None),
        ("http://host/", ""),
        ("http://host/", "whsec_no base64!"),
    ],
)
def test_an_invalid_webhook_is_refused_without_showing_its_secrets(url: str, secret: str | None) -> None:
    with pytest.raises(BadArgument) as caught:
        WebhookSink(url, secret=secret)
    assert "password" not in str(caught.value)
    assert "no base64!" not in str(caught.value)


def test_a_name_that_cannot_be_looked_up_in_time_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    over, lookups = threading.Event(), []
    real = socket.getaddrinfo

    def hanging(host: str, port: int, **kind: Any) -> Any:
        lookups.append(host)
        assert over.wait(20)
        return real("127.0.0.1", port, **kind)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    with answering(says(200)) as url:
        sink = WebhookSink(url.replace("127.0.0.1", "alerts.example.com"), limit_s=0.3)
        begun = time.monotonic()
        for _ in range(2):
            with pytest.raises(SinkError, match=r"alerts.example.com: no answer within 0\.3 s"):
                sink.send(ALERT)
        assert time.monotonic() - begun < 3
        assert 1 == len(lookups), "a second attempt waits for the first look-up"
        over.set()
        sink.send(ALERT)


def test_a_delivery_can_be_aborted_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
    sink = WebhookSink("http://alerts.example.com/", limit_s=20)
    timer = threading.Timer(0.1, sink.abort)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(SinkError):
        sink.send(ALERT)
    assert time.monotonic() - begun < 5
    over.set()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),
        socket.socket() as waiting,
        answering(says(200)) as url,
    ):
        # The backlog of the first address is full: a connection to it is not answered.
        waiting.setblocking(False)
        waiting.connect_ex(full.getsockname())
        port = int(url.split(":")[2].split("/")[0])
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in (full.getsockname(), ("127.0.0.1", port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        begun = time.monotonic()
        WebhookSink("http://alerts.example.com/", limit_s=4).send(ALERT)
        assert time.monotonic() - begun < 3.6


def test_an_unknown_host_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SinkError, match="Name or service not known"):
        WebhookSink("http://alerts.example.com/").send(ALERT)
