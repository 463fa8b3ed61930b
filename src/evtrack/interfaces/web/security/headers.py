"""The headers of every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import Message

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# With no-referrer, Chromium sends `Origin: null` with our own forms, which the guard would refuse.
SECURITY_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)

_DEFAULTS: Final = (
    (b"cache-control", b"no-store"),
    (b"server-timing", b'db;dur=0.0;desc="0"'),
)
"""What an answer has if it says nothing else."""


def with_security_headers(start: Message) -> Message:
    """Return the start of an answer with the headers of every answer.

    Args:
        start: Its message of the type http.response.start.
    """
    fixed = {name for name, _ in SECURITY_HEADERS} | {b"server"}
    given = [(name, value) for name, value in start.get("headers", ()) if name.lower() not in fixed]
    names = {name.lower() for name, _ in given}
    defaults = [each for each in _DEFAULTS if each[0] not in names]
    return {**start, "headers": [*given, *SECURITY_HEADERS, *defaults]}
