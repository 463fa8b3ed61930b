"""A server that receives the posts of a webhook, and an alert to send."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from evtrack.domain.alerts.models import alert_from

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
    """Run a server that passes each connection to `answer`, until the block ends."""
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
