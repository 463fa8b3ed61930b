"""Sets the cookies of the dashboard, all with the same bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

    from evtrack.interfaces.web.rendering import Renderer


def set_cookie(
    answer: Response, request: HTTPConnection, renderer: Renderer, name: str, value: str, *, lasts_s: int
) -> None:
    """Let a browser keep a value, which it sends to the dashboard alone, and no script reads.

    Args:
        answer: What sets it.
        request: What is answered.
        renderer: Knows where the dashboard is mounted.
        name: The cookie's name.
        value: Its value.
        lasts_s: How long it is kept.
    """
    answer.set_cookie(
        name,
        value,
        max_age=lasts_s,
        path=renderer.cookie_path,
        secure=request.url.scheme == "https",
        httponly=True,
        # With Strict, the link of an alert that is opened from a chat would always ask for the token again.
        samesite="lax",
    )
