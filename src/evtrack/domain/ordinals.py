"""Sets of item ordinals, stored as ranges and written like PostgreSQL's int4multirange."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MULTIRANGE = re.compile(r"\{(?:\[\d+,\d+\)(?:,\[\d+,\d+\))*)?\}")
_RANGE = re.compile(r"\[(\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class Ordinals:
    """A set of item ordinals.

    Args:
        spans: Half-open ranges ``(first, past_last)`` in any order; they are sorted and merged, so that equal sets
            have equal spans.
    """

    spans: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Bring the spans into canonical form.

        Raises:
            ValueError: A span is empty or reversed, or starts below zero.
        """
        joined: list[tuple[int, int]] = []
        for first, past in sorted(self.spans):
            if first < 0 or past <= first:
                message = f"not a range of ordinals: [{first},{past})"
                raise ValueError(message)
            if joined and first <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(past, joined[-1][1]))
            else:
                joined.append((first, past))
        object.__setattr__(self, "spans", tuple(joined))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text form, such as ``{[1,51),[60,61)}``.

        Args:
            text: An int4multirange as PostgreSQL prints it.

        Returns:
            The set.

        Raises:
            ValueError: The text is not a canonical multirange.
        """
        compact = text.replace(" ", "")
        if not _MULTIRANGE.fullmatch(compact):
            message = f"not a multirange of ordinals: {text!r}"
            raise ValueError(message)
        return cls(tuple((int(first), int(past)) for first, past in _RANGE.findall(compact)))

    @classmethod
    def of(cls, ordinals: Iterable[int]) -> Self:
        """Make a set of single ordinals.

        Args:
            ordinals: The ordinals in any order; duplicates are allowed.

        Returns:
            The set.
        """
        return cls(tuple((ordinal, ordinal + 1) for ordinal in ordinals))

    def __str__(self) -> str:
        """Write the text form that PostgreSQL reads and prints."""
        return "{" + ",".join(f"[{first},{past})" for first, past in self.spans) + "}"

    def __len__(self) -> int:
        """Count the ordinals."""
        return sum(past - first for first, past in self.spans)

    @property
    def reach(self) -> int:
        """How many ordinals there are from the first to the last one, with the gaps between."""
        return self.spans[-1][1] - self.spans[0][0] if self.spans else 0

    def __iter__(self) -> Iterator[int]:
        """Iterate over the ordinals in ascending order."""
        for first, past in self.spans:
            yield from range(first, past)

    def __contains__(self, ordinal: object) -> bool:
        """Check whether the set contains an ordinal."""
        return isinstance(ordinal, int) and any(first <= ordinal < past for first, past in self.spans)

    def __or__(self, other: Ordinals) -> Ordinals:
        """Return the union of both sets."""
        return Ordinals(self.spans + other.spans)

    def __sub__(self, other: Ordinals) -> Ordinals:
        """Return the ordinals that are not in the other set."""
        left: list[tuple[int, int]] = []
        for span in self.spans:
            first, past = span
            for cut_first, cut_past in other.spans:
                if cut_past <= first or past <= cut_first:
                    continue
                if first < cut_first:
                    left.append((first, cut_first))
                first = min(past, cut_past)
            if first < past:
                left.append((first, past))
        return Ordinals(tuple(left))

    def __and__(self, other: Ordinals) -> Ordinals:
        """Return the ordinals that are in both sets."""
        return self - (self - other)

    def __le__(self, other: Ordinals) -> bool:
        """Check whether this set is a subset of the other."""
        return not self - other
