"""Log in with a name and a password, as browsers ask for them: HTTP Basic."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode
from time import monotonic
from typing import TYPE_CHECKING, Final

import anyio
from starlette.responses import PlainTextResponse, Response

from evtrack.interfaces.web.security.identity import User
from evtrack.interfaces.web.security.password_file import PasswordHash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import HTTPConnection
    from starlette.routing import BaseRoute

    from evtrack.interfaces.web.security.failures import FailureLimit

_CHALLENGE: Final = {"www-authenticate": 'Basic realm="evtrack", charset="UTF-8"'}
_REMEMBERED_S: Final = 300.0
"""For so long a password that was right is not derived again: that takes tenths of a second by intention."""

_MOST_REMEMBERED: Final = 1_000
_AT_A_TIME: Final = 2
"""Each derivation takes 32 MiB and a processor."""


class PasswordLogin:
    """Everybody with a password is let in.

    Args:
        passwords: The password of each user.
        failures: Limits guesses.
    """

    def __init__(self, passwords: Mapping[str, PasswordHash], failures: FailureLimit) -> None:
        self._passwords, self._failures = passwords, failures
        self._key = secrets.token_bytes(32)
        # An unknown user takes as long as a known one.
        self._nobody = PasswordHash.of(secrets.token_hex())
        self._remembered: dict[bytes, float] = {}
        self._threads: anyio.CapacityLimiter | None = None
        self.routes: tuple[BaseRoute, ...] = ()

    async def user(self, request: HTTPConnection) -> User | Response:
        """Return who asks, or ask for a password."""
        headers = request.headers.getlist("authorization")
        credentials = _credentials(headers[0]) if len(headers) == 1 else None
        if credentials is None:
            return PlainTextResponse("Log in first.\n", 401, _CHALLENGE)
        user, password = credentials
        seal = hmac.digest(self._key, f"{user}:{password}".encode("utf-8", "surrogatepass"), "sha256")
        if self._remembered.get(seal, 0.0) > monotonic():
            return User(user)
        if not self._failures.begin(request):
            return PlainTextResponse("Too many failed logins. Try again in a minute.\n", 429, {"retry-after": "60"})
        if not await self._fits(user, password):
            return PlainTextResponse("Wrong user or password.\n", 401, _CHALLENGE)
        self._failures.succeeded(request)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[seal] = monotonic() + _REMEMBERED_S
        return User(user)

    async def _fits(self, user: str, password: str) -> bool:
        self._threads = self._threads or anyio.CapacityLimiter(_AT_A_TIME)
        known = self._passwords.get(user)
        fits = await anyio.to_thread.run_sync((known or self._nobody).fits, password, limiter=self._threads)
        return fits and known is not None


def _credentials(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None
