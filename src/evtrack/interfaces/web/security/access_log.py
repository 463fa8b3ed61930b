"""Logs each request, without its query: keys and tokens stand there."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

import structlog
from starlette.requests import HTTPConnection

from evtrack.domain import log_names
from evtrack.interfaces.web.security.identity import USER, user_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATH_CHARACTERS: Final = 200
_UNINTERESTING: Final = ("/static/", "/live", "/healthz")
"""What browsers and load balancers ask for by themselves is logged at level debug."""

_REFUSED: Final = 400

_log = structlog.get_logger()


class AccessLog:
    """An ASGI application around another one.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log it when it is over."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope.setdefault(USER, None)
        try:
            await self._app(scope, receive, send_noting)
        finally:
            self._write(HTTPConnection(scope), status, perf_counter() - begun)

    def _write(self, request: HTTPConnection, status: int, seconds: float) -> None:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        write = _log.debug if path.startswith(_UNINTERESTING) and status < _REFUSED else _log.info
        write(
            log_names.WEB_REQUEST,
            method=request.scope["method"][:20],
            path=path[:_PATH_CHARACTERS],
            status=status,
            seconds=round(seconds, 4),
            peer=request.client.host if request.client else "",
            user=user_of(request).name,
        )
