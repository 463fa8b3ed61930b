"""Clients that take their time: a connection without a request under way is closed, and no answer is cut."""

import socket
import threading
from collections.abc import Iterator

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from evtrack.interfaces.web.serving import server as server_module
from evtrack.interfaces.web.serving.server import DashboardServer, listening_socket

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PAUSE_S = 1.0
"""Long for a busy machine, short for a test; nothing computes meanwhile."""


async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer after the time that a request has to arrive, without a look at its body."""
    if scope["path"] == "/slow":
        await anyio.sleep(1.5 * PAUSE_S)
    await PlainTextResponse("here")(scope, receive, send)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server that waits for requests for a moment only."""
    monkeypatch.setattr(server_module, "_REQUEST_S", PAUSE_S)
    server = DashboardServer(slowly, on_stop=lambda: None)
    with listening_socket("127.0.0.1", 0) as at:
        thread = threading.Thread(target=server.run, args=(at,))
        thread.start()
        yield at.getsockname()[1]
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (b"", 0),
        (b"GET / HT", 0),
        (REQUEST[:-2] + b"X-Slow: ", 0),
        (REQUEST, 1),
        (REQUEST + b"GET / HT", 1),
        (2 * REQUEST + b"\r\n", 2),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx", 1),
        (REQUEST.replace(b"/", b"/slow", 1), 1),
    ],
    ids=["silent", "begun", "headers", "one", "next-begun", "two", "body-refused", "slow-answer"],
)
def test_a_connection_without_a_request_is_closed_and_no_answer_is_cut(port: int, sent: bytes, answers: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as conn:
        conn.sendall(sent)
        # Without an end, this would time out.
        received = b"".join(iter(lambda: conn.recv(65_536), b""))
    assert answers == received.count(b"HTTP/1.1 200") == received.count(b"\r\n\r\nhere")


def test_a_byte_now_and_then_does_not_hold_a_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PAUSE_S / 20) as conn:
        conn.sendall(REQUEST[:-2])
        for _ in range(300):
            try:
                conn.sendall(b"X")
                if not conn.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return
    pytest.fail("the connection is still there")
