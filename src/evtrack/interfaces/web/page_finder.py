"""Finds the page of an address."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.routing import compile_path

from evtrack.interfaces.web.address import Address, NoSuchPage
from evtrack.interfaces.web.page import AnyPage, Visit

if TYPE_CHECKING:
    from collections.abc import Iterable


class PageFinder:
    """Knows all pages by their paths.

    Args:
        pages: The pages.
    """

    def __init__(self, pages: Iterable[AnyPage]) -> None:
        self._pages = [(compile_path(page.path)[0], page) for page in pages]

    def visit(self, address: str) -> Visit:
        """Read an address below the prefix.

        Raises:
            NoSuchPage: It is no page's.
        """
        try:
            parts = urlsplit(address)
            query = dict(parse_qsl(parts.query, max_num_fields=20))
        except ValueError:
            raise NoSuchPage from None
        path = unquote(parts.path)
        for pattern, page in self._pages:
            if (found := pattern.match(path)) is not None:
                return Visit(page, page.parse(Address(found.groupdict(), query)))
        raise NoSuchPage
