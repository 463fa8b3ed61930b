"""Reads addresses: each part of a path or a query is checked, and written back in one form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from evtrack.domain.column_types import BIGINT_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_TEXT: Final = 1_000
"""The most characters of a key, a handler or a search."""


class NoSuchPage(Exception):
    """Nothing is at this address."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a request's address, as text.

    Args:
        path: Named parts of the path.
        query: Fields of the query; a repeated one counts once, with its last value.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]

    def number(self, name: str, *, least: int = 1, most: int = BIGINT_MAX) -> int:
        """Read a number of the path.

        Raises:
            NoSuchPage: It is not a number, or is out of its range.
        """
        return _number(self.path[name], least, most)

    def optional_number(self, name: str, *, least: int = 0, most: int = BIGINT_MAX) -> int | None:
        """Read a number of the query; None if it is not there."""
        given = self.query.get(name)
        return _number(given, least, most) if given else None

    def choice(self, name: str, allowed: Iterable[str]) -> str | None:
        """Read a word of the query that is one of those allowed; None if it is not there."""
        given = self.query.get(name)
        if given and given not in allowed:
            raise NoSuchPage
        return given or None

    def text(self, name: str) -> str | None:
        """Read any text of the query, such as a key; None if it is not there or empty."""
        given = self.query.get(name)
        if given and (len(given) > MAX_TEXT or "\0" in given):
            raise NoSuchPage
        return given or None

    def time(self, name: str) -> datetime | None:
        """Read a time in ISO 8601, in UTC if it names no zone, and return it in UTC; None if it is not there."""
        given = self.query.get(name)
        if not given:
            return None
        try:
            at = datetime.fromisoformat(given)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise NoSuchPage from None


def link(path: str, **query: object) -> str:
    """Write an address below the prefix.

    Args:
        path: From the first slash on, without a query; ASCII.
        **query: The fields; None leaves one out.

    Returns:
        The address, with everything encoded that has a meaning in one.
    """
    given = {name: _written(value) for name, value in query.items() if value is not None}
    # Surrogates, which stand for undecodable bytes, are kept as they are.
    return f"{path}?{urlencode(given, quote_via=quote, errors='surrogatepass')}" if given else path


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def _number(given: str, least: int, most: int) -> int:
    # int() also takes blanks, underscores and the digits of other scripts.
    if not (given.isascii() and given.isdigit()) or len(given) > len(str(most)):
        raise NoSuchPage
    number = int(given)
    if not least <= number <= most:
        raise NoSuchPage
    return number
