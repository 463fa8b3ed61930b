"""Lets in who is logged in, and asks the others to log in first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from evtrack.interfaces.web.security.identity import USER, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from evtrack.interfaces.web.security.identity import Login


class Gate:
    """An ASGI application around another one.

    Args:
        app: What only users may ask.
        login: Answers who asks.
        is_open: Whether anybody may ask for a path: the page that logs in, its styles, and whether the server is well.
    """

    def __init__(self, app: ASGIApp, login: Login, *, is_open: Callable[[str], bool]) -> None:
        self._app, self._login, self._is_open = app, login, is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        root = scope.get("root_path", "")
        if not self._is_open(scope["path"].removeprefix(root)):
            found = await self._login.user(HTTPConnection(scope))
            if not isinstance(found, User):
                await found(scope, receive, send)
                return
            scope[USER] = found
        await self._app(scope, receive, send)
