"""Log in with a token: from the address that the terminal prints, or typed in; then a cookie stands for it."""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response

from evtrack.interfaces.web.security.identity import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

LASTS_S: Final = 12 * 3600
PARAMETER: Final = "token"


class TokenLogin:
    """Everybody who has the token is let in.

    The cookie is signed with a key of this process, and is not the token: whoever reads it in a browser's profile can
    use it for twelve hours at most, and never after a restart.

    Args:
        token: The secret.
        name: What distinguishes the cookie from those of other servers of this host: cookies know no ports.
        path: Where the application is mounted.
        refused: Makes the answer for somebody without a valid cookie or token, given the status.
    """

    def __init__(self, token: str, *, name: str, path: str, refused: Callable[[int], Response]) -> None:
        self._token, self._path, self._refused = token.encode(), path or "/", refused
        self._cookie = f"evtrack_{name}"
        self._key = secrets.token_bytes(32)

    def user(self, request: HTTPConnection) -> User | Response:
        """Return the only user, or the answer for somebody who is not logged in."""
        given = request.query_params.get(PARAMETER)
        if given is not None:
            return self._exchanged(request, given)
        if self._is_valid(request.cookies.get(self._cookie, "")):
            return User("")
        return self._refused(401)

    def accepts(self, token: str) -> bool:
        """Return whether this is the token, in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    def admit(self, response: Response, *, secure: bool) -> Response:
        """Give an answer the cookie."""
        until = str(int(time.time()) + LASTS_S)
        # Lax: with Strict, the link of an alert that is opened from a chat would always ask for the token again.
        response.set_cookie(
            self._cookie,
            f"{until}.{self._signature(until)}",
            max_age=LASTS_S,
            path=self._path,
            secure=secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def _exchanged(self, request: HTTPConnection, token: str) -> Response:
        if not self.accepts(token):
            return self._refused(401)
        rest = request.url.remove_query_params(PARAMETER)
        answer = RedirectResponse(rest.path + (f"?{rest.query}" if rest.query else ""), 303)
        return self.admit(answer, secure=request.url.scheme == "https")

    def _is_valid(self, cookie: str) -> bool:
        until, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), self._signature(until).encode()):
            return False
        return int(until) > time.time()

    def _signature(self, until: str) -> str:
        return hmac.new(self._key, until.encode("utf-8", "surrogatepass"), sha256).hexdigest()
