"""Refuses what no page of evtrack asks for, before anything looks at it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from evtrack.domain import log_names
from evtrack.interfaces.web.security.forms import FORM_TYPE, MAX_BODY, read_body, replayed
from evtrack.interfaces.web.security.headers import with_security_headers
from evtrack.interfaces.web.security.refusal import Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_ADDRESS: Final = 4_096
MAX_HEADERS: Final = 16_384
_READS: Final = ("GET", "HEAD")
_METHODS: Final = (*_READS, "POST")

_log = structlog.get_logger()


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
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return
        answer = _Answer(send)
        try:
            headers = Headers(scope=scope)
            self._check(scope, headers)
            if scope["method"] == "POST":
                receive = replayed(await read_body(receive), receive)
            await self._app(scope, receive, answer)
        except Refused as refused:
            # It names nothing of the request.
            refusal = PlainTextResponse(f"{refused.reason}\n", refused.status)
            if refused.status == 405:  # noqa: PLR2004  method not allowed
                refusal.headers["allow"] = ", ".join(_METHODS)
            await refusal(scope, receive, answer)
        except ClientDisconnect:
            return
        except Exception as error:
            # Starlette raises again what its error page has answered.
            if answer.is_complete:
                return
            number = secrets.token_hex(4)
            _log.error(log_names.WEB_ERROR, number=number, path=scope["path"], exc_info=error)
            if answer.has_begun:
                raise
            text = f"An unexpected error occurred. The log of evtrack web has the details: {number}.\n"
            await PlainTextResponse(text, 500)(scope, receive, answer)

    def _check(self, scope: Scope, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if self._hosts is not None and (len(hosts) != 1 or hosts[0].lower() not in self._hosts):
            raise Refused(421, "This server does not answer for that host name. See evtrack web --allow-host.")
        if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEADERS:
            raise Refused(431, "The headers are too long.")
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > MAX_ADDRESS:
            raise Refused(414, "The address is too long.")
        if not scope["path"].startswith("/") or scope["path"].startswith("//"):
            raise Refused(400, "That is not an address of this server.")
        if scope["method"] not in _METHODS:
            raise Refused(405, "Method not allowed.")
        if scope["method"] in _READS:
            _check_read(headers)
        else:
            _check_post(scope, headers)


def _check_read(headers: Headers) -> None:
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise Refused(400, "A page is asked for without a body.")


def _check_post(scope: Scope, headers: Headers) -> None:
    sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    own = f"{scope['scheme']}://{headers.get('host', '')}".lower()
    # Browsers leave Sec-Fetch-Site out on plain http that is not loopback.
    is_ours = sites == ["same-origin"] if sites else [origin.lower() for origin in origins] == [own]
    if not is_ours:
        raise Refused(403, "Only forms of this page may change something.")
    if headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
        raise Refused(415, f"A form is sent as {FORM_TYPE}.")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
        raise Refused(413, "The form is too long.")


class _Answer:
    """Sends an answer with the headers of every answer, and knows how far it is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = self.is_complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            message = with_security_headers(message)
        elif message["type"] == "http.response.body":
            self.is_complete = not message.get("more_body", False)
        await self._send(message)
