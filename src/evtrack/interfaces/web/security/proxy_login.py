"""A proxy in front has logged the user in, and names them in a header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted
from evtrack.interfaces.web.security.identity import User, is_name
from evtrack.interfaces.web.security.peers import IS_TRUSTED

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.routing import BaseRoute


class ProxyLogin:
    """Everybody whom a trusted proxy names is let in.

    Args:
        header: The name of the header.

    Raises:
        BadArgument: That is not the name of a header.
    """

    def __init__(self, header: str) -> None:
        if not header or not all(each.isascii() and (each.isalnum() or each == "-") for each in header):
            raise BadArgument(f"Not the name of a header: {quoted(header)}.", hint="Write it like proxy:X-Remote-User.")
        self._header = header.lower()
        self.routes: tuple[BaseRoute, ...] = ()

    async def user(self, request: HTTPConnection) -> User | Response:
        """Return the user whom the proxy names; nobody else's word counts."""
        if not request.scope.get(IS_TRUSTED, False):
            return PlainTextResponse("Only requests through the proxy are answered.\n", 403)
        names = request.headers.getlist(self._header)
        if len(names) != 1 or not is_name(names[0]):
            return PlainTextResponse("The proxy names no user.\n", 403)
        return User(names[0])
