"""How far a source has been read: everything before it is in committed batches or counted as invalid."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self


class SourcePosition(NamedTuple):
    """Where a submission resumes.

    Args:
        part: The index of the file in the source, from 0.
        name: The file's name, to check that it is the same; None if it was not started.
        offset: The offset of the next record in the file, in bytes.
        line: How many of its lines come before.
        last_key: The key of the last valid item before.
        run_refused: Whether the run of that key was rejected.
        head: The fingerprint of a pipe's first bytes.
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
        """Read a position from a job.

        Args:
            stored: The result of `stored()`; None at the start.
        """
        return cls(**(stored or {}))

    def stored(self, head: str | None) -> dict[str, Any]:
        """Return the value to store with the job: the fields that differ from the start.

        Args:
            head: The fingerprint of a pipe's first bytes.
        """
        now = self._replace(head=head)._asdict()
        return {name: value for name, value in now.items() if value != self._field_defaults[name]}
