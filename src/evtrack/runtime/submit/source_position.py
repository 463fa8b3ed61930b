"""How far a source has been read: all before it is in committed batches or counted as invalid."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self


class Position(NamedTuple):
    """Where a submission goes on.

    Args:
        part: The part of the source, from 0.
        name: What it is called, to see that it is the same; None where it was not begun.
        offset: Where in it the next record begins.
        line: How many lines of it lie before.
        last_key: The key of the last valid item before.
        run_refused: Whether the run of that key was refused.
        head: The fingerprint of a pipe's beginning.
    """

    part: int = 0
    name: str | None = None
    offset: int = 0
    line: int | None = 0
    last_key: str | None = None
    run_refused: bool = False
    head: str | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """Read what a job holds.

        Args:
            stored: What `stored()` returned; None at the beginning.
        """
        return cls(**(stored or {}))

    def stored(self, head: str | None) -> dict[str, Any]:
        """Return what a job is to hold: what differs from the beginning.

        Args:
            head: The fingerprint of a pipe's beginning.
        """
        now = self._replace(head=head)._asdict()
        return {name: value for name, value in now.items() if value != self._field_defaults[name]}
