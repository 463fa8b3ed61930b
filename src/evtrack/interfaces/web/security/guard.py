"""Refuses what no page of evtrack asks for, before anything looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from evtrack.interfaces.web.security.headers import SECURITY_HEADERS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_ADDRESS: Final = 4_096
MAX_BODY: Final = 16_384
_READS: Final = ("GET", "HEAD")
_FORM: Final = "application/x-www-form-urlencoded"
_NO_STORE: Final = (b"cache-control", b"no-store")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused."""

    status: int
    reason: str


class Guard:
    """An ASGI application around another one.

    Args:
        app: What is guarded.
        hosts: The values of the header Host that are ours, with the port, in lower case; None where the application is
            mounted and its host checks that.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [(name, value) for name, value in message.get("headers", ()) if name != b"server"]
                names = {name for name, _ in given}
                message["headers"] = [
                    *given,
                    *(each for each in (*SECURITY_HEADERS, _NO_STORE) if each[0] not in names),
                ]
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, send_safely)
        else:
            # It names nothing of the request.
            await PlainTextResponse(f"{refusal.reason}\n", refusal.status)(scope, receive, send_safely)

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        hosts = headers.getlist("host")
        if self._hosts is not None and (len(hosts) != 1 or hosts[0].lower() not in self._hosts):
            return Refusal(421, "This server does not answer for that host name. See evtrack web --allow-host.")
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > MAX_ADDRESS:
            return Refusal(414, "The address is too long.")
        if scope["method"] in _READS:
            return None
        if scope["method"] != "POST":
            return Refusal(405, "Method not allowed.")
        return self._refusal_of_post(scope, headers)

    def _refusal_of_post(self, scope: Scope, headers: Headers) -> Refusal | None:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        own = f"{scope['scheme']}://{headers.get('host', '')}".lower()
        # Browsers leave Sec-Fetch-Site out on plain http that is not loopback.
        is_ours = site == "same-origin" if site is not None else origin is not None and origin.lower() == own
        if not is_ours:
            return Refusal(403, "Only forms of this page may change something.")
        if headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
            return Refusal(415, f"A form is sent as {_FORM}.")
        length = headers.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            return Refusal(413, "The form is too long, or does not say how long it is.")
        return None
