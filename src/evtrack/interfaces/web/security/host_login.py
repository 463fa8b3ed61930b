"""No login of the dashboard's own: nobody logs in, or the application that it is mounted in knows the users."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

from evtrack.interfaces.web.security.identity import User, is_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import HTTPConnection
    from starlette.routing import BaseRoute


class NoLogin:
    """Everybody is let in."""

    routes: tuple[BaseRoute, ...] = ()

    async def user(self, request: HTTPConnection) -> User | Response:
        """Return the only user."""
        del request
        return User("")


class HostLogin:
    """The host application says who asks.

    Args:
        user_name: Returns the user's name of a request, or None or an empty one for somebody who may not see the
            dashboard; may be a coroutine function.
    """

    routes: tuple[BaseRoute, ...] = ()

    def __init__(self, user_name: Callable[[HTTPConnection], str | Awaitable[str | None] | None]) -> None:
        self._user_name = user_name

    async def user(self, request: HTTPConnection) -> User | Response:
        """Return the user whom the host application names."""
        found = self._user_name(request)
        name = await found if isawaitable(found) else found
        # An empty name is what applications call somebody who is not logged in.
        if isinstance(name, str) and is_name(name):
            return User(name)
        return PlainTextResponse("You may not see this page.\n", 403)
