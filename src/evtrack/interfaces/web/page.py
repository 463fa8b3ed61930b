"""What a page is: an address, a model that is read in one snapshot, and a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.interfaces.web.address import Address
    from evtrack.storage.connection.connect import Connection

Args = TypeVar("Args")
Model = TypeVar("Model")


@dataclass(frozen=True, slots=True)
class Page(Generic[Args, Model]):
    """A page that is the same as HTML and as JSON.

    Args:
        name: Its template without .html, and what it is called in the code.
        path: Its path with Starlette's parameters; all of them are text.
        parse: Makes the arguments, hashable and in one form, of an address. Raises NoSuchPage.
        address: Writes the arguments back as an address below the prefix.
        read: Reads the model, a frozen dataclass made of values that JSON has, times, and other such dataclasses.
        title: Names the page, with its model.
        every_s: How often it is read while somebody watches; None for a page that does not change by itself.
    """

    name: str
    path: str
    parse: Callable[[Address], Args]
    address: Callable[[Args], str]
    read: Callable[[Connection, Args], Model]
    title: Callable[[Model], str]
    every_s: float | None = 1.0


AnyPage = Page[Any, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """A page with its arguments: what a request asks for, and what a viewer watches."""

    page: AnyPage
    args: Any

    @property
    def address(self) -> str:
        """Its one address below the prefix."""
        return self.page.address(self.args)
