"""Texts to download: a story as Markdown, the whole of a crash report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from evtrack.interfaces.web.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from evtrack.interfaces.web.page_threads import PageThreads
    from evtrack.interfaces.web.site import Site
    from evtrack.storage.connection.connect import Connection

PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text, and the name that a browser gives it.

    Args:
        name: Made of our own words and of numbers only.
        text: Its content.
        media_type: What it is; never anything that a browser renders.
    """

    name: str
    text: str
    media_type: str = PLAIN


@dataclass(frozen=True, slots=True)
class Download:
    """A text at an address.

    Args:
        path: Its path with Starlette's parameters; all of them are text.
        parse: Makes the arguments of an address. Raises NoSuchPage.
        read: Reads the text in one snapshot.
    """

    path: str
    parse: Callable[[Address], Any]
    read: Callable[[Connection, Any], TextFile]


class DownloadEndpoint:
    """Answers with a text.

    Args:
        site: What it reads with.
        download: The text.
        threads: Where it is made.
    """

    def __init__(self, site: Site, download: Download, threads: PageThreads) -> None:
        self._site, self._download, self._threads = site, download, threads

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        args = self._download.parse(Address(request.path_params, request.query_params))
        return await self._threads.run(self._answer, args)

    def _answer(self, args: Any) -> Response:
        file, cost = self._site.pool.read(lambda conn: self._download.read(conn, args))
        headers = {
            "content-disposition": f'attachment; filename="{file.name}"',
            "server-timing": f'db;dur={1000 * cost.seconds:.1f};desc="{cost.statements}"',
        }
        # An undecodable byte of a key is a lone surrogate in Python.
        content = file.text.encode("utf-8", "backslashreplace")
        return Response(content, media_type=file.media_type, headers=headers)
