"""Reads forms: small, in time, and only as browsers send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import anyio
from starlette.requests import ClientDisconnect

from evtrack.interfaces.web.security.refusal import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

MAX_BODY: Final = 16_384
FORM_TYPE: Final = "application/x-www-form-urlencoded"

_READ_S: Final = 10.0
"""Who sends a form more slowly is let go."""

_MAX_FIELDS: Final = 1_000


async def read_body(receive: Receive) -> bytes:
    """Read the body of a request to its end.

    Raises:
        Refused: It is too long, or did not come in time.
        ClientDisconnect: The client has gone.
    """
    body = bytearray()
    with anyio.move_on_after(_READ_S):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                raise Refused(413, "The form is too long.")
            if not message.get("more_body", False):
                return bytes(body)
    raise Refused(408, "The form did not arrive in time.")


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what receives a body that was read already, and then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


async def form_of(request: Request) -> dict[str, str]:
    """Read the fields of a form; a repeated one counts once, with its last value.

    Raises:
        Refused: It is not a form.
    """
    try:
        text = (await request.body()).decode("ascii")
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="surrogateescape")
    except ValueError:
        raise Refused(400, "The form is not valid.") from None
    return dict(fields)
