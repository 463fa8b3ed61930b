"""The search: a number is a job, two with a slash are a batch, anything else is the key of an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse

from evtrack.domain.column_types import BIGINT_MAX, INTEGER_MAX
from evtrack.interfaces.web.address import Address, link

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from evtrack.interfaces.web.rendering import Renderer

SEARCH_PATH: Final = "/search"
"""Where to search; the query says for what with `q`."""


def target(wanted: str) -> str:
    """Return the address of what somebody searches for.

    Args:
        wanted: What was typed.
    """
    given = wanted.strip()
    job, slash, batch = (part.strip() for part in given.removeprefix("#").partition("/"))
    if _is_number(job, BIGINT_MAX):
        if not slash:
            return link(f"/jobs/{int(job)}")
        if _is_number(batch, INTEGER_MAX):
            return link(f"/jobs/{int(job)}/batches/{int(batch)}")
    return link("/items", key=given or None)


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most


class SearchEndpoint:
    """Answers with where to go.

    Args:
        renderer: Knows the prefix.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        wanted = Address({}, request.query_params).text("q") or ""
        return RedirectResponse(self._renderer.prefix + target(wanted), status_code=303)
