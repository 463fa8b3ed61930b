"""Serves the dashboard on an address of its own."""

from __future__ import annotations

import errno
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from evtrack.domain.errors import BadArgument
from evtrack.interfaces.web.live.stream import ABORT
from evtrack.interfaces.web.security.guard import MAX_HEADERS
from evtrack.interfaces.web.security.headers import with_security_headers

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GRACE_S: Final = 2
"""How long requests that are under way have to end, once the streams have."""

_STREAMS_S: Final = 1
"""How long the end of all streams is waited for."""

_BACKLOG: Final = 512

_SEND_BUFFER: Final = 128 * 1024
"""How many bytes the kernel keeps for a client: by itself it keeps megabytes for each that does not read its stream."""

_VANISHED_MS: Final = 20_000
"""How long a client's host may leave unacknowledged what was sent to it, or its buffer full."""

_REQUEST_S: Final = 10.0
"""How long a connection may take to send the headers of a request: each one that is open costs a descriptor."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Take an address.

    Args:
        host: A name or an address.
        port: The port; 0 chooses a free one.

    Raises:
        BadArgument: The address is not one of this host's, or it is in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        # Connections inherit both.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that vanished would otherwise keep its place for a quarter of an hour.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _VANISHED_MS)
    except OSError as error:
        # What Python adds to the system's words for it says the same once more.
        reason = str(error.strerror).partition(" (")[0]
        raise BadArgument(
            f"Cannot serve on {host}, port {port}: {reason[:1].lower()}{reason[1:]}.", hint=_advice(error)
        ) from None
    return listening


def _advice(error: OSError) -> str:
    if error.errno in {errno.EADDRINUSE, errno.EACCES}:
        return "Choose another port with --port, or 0 for a free one."
    return "Give --host an address of this host: 127.0.0.1, or 0.0.0.0 for all of them."


class DashboardServer:
    """Serves until it is stopped.

    Args:
        app: What to serve.
        on_stop: Called once when it stops, before it waits for the requests that are under way; ends all streams.
    """

    def __init__(self, app: ASGIApp, *, on_stop: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            # What it has to say, the guard and the access log have said: warnings about junk would fill a log.
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=MAX_HEADERS,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config, on_stop)

    def run(self, at: socket.socket) -> None:
        """Serve on a socket until `stop` is called."""
        self._server.run(sockets=[at])

    def stop(self) -> None:
        """Stop; a second time at once. It only sets flags, so that a signal handler may call it."""
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True


class _Protocol(H11Protocol):
    """Answers what is not HTTP with the headers of every answer, too; lets a response drop what it has not sent.

    A connection on which no request is under way has a deadline for the next one: uvicorn waits for good once a byte of
    it, or of the body of a request that was refused, has come.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        app, extensions = self.app, {ABORT: transport.abort}

        async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "extensions": extensions}, receive, send)

        self.app = with_abort
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._set_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._clear_deadline()

    def _set_deadline(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]  # as uvicorn has it
            self._clear_deadline()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(_REQUEST_S, self.transport.close)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def send_400_response(self, msg: str) -> None:
        start: Message = {"headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]}
        headers = with_security_headers(start)["headers"]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=msg.encode("ascii", "replace")),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class _Server(uvicorn.Server):
    """Leaves signals to the command, and ends streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # The streams end at once; a database that hangs may hold the thread behind them for longer.
        with anyio.move_on_after(_STREAMS_S):
            await anyio.to_thread.run_sync(self._on_stop, abandon_on_cancel=True)
        await super().shutdown(sockets)
