"""An eight-byte word of a shared page as an attribute; it is written as a whole, so nobody reads half of one."""

from typing import Protocol


class _HasWords(Protocol):
    _words: "memoryview[int]"


class Word:
    """A word as a number that is not negative.

    Args:
        place: Which word.
    """

    def __init__(self, place: int) -> None:
        self._place = place

    def __get__(self, page: _HasWords, page_type: type) -> int:
        """Read it."""
        return page._words[self._place]  # noqa: SLF001  it is a part of the page

    def __set__(self, page: _HasWords, value: int) -> None:
        """Write it."""
        page._words[self._place] = value  # noqa: SLF001  it is a part of the page
