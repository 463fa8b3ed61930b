"""Positions in the log: which transactions a reader has seen, and how far it is with those after them."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from evtrack.domain.column_types import BIGINT_MAX
from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted

_NUMBER: Final = r"[0-9]{1,19}"
_SNAPSHOT: Final = rf"{_NUMBER}(?::{_NUMBER}:{_NUMBER}(?:,{_NUMBER})*)?"
_POSITION: Final = re.compile(rf"({_SNAPSHOT})-({_SNAPSHOT})-({_NUMBER})-({_NUMBER})(?:\.({_NUMBER}))?")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which transactions had ended at a moment: those below `xmax` except the running ones.

    Args:
        xmax: The first that had not begun.
        running: Those below it that had not ended, ascending.
    """

    xmax: int
    running: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read PostgreSQL's form of a snapshot, or our own.

        Args:
            text: `751:760:751,755`, or `760` if none below it was running.
        """
        _, _, rest = text.partition(":")
        xmax, _, running = (rest or text).partition(":")
        return cls(int(xmax), tuple(int(xid) for xid in running.split(",") if xid))

    def __str__(self) -> str:
        """Return our form, only a number if nothing was running."""
        return self.in_sql if self.running else str(self.xmax)

    @property
    def in_sql(self) -> str:
        """PostgreSQL's form, which has no transaction 0."""
        return f"{self.xmin}:{max(1, self.xmax)}:{','.join(map(str, self.running))}"

    @property
    def xmin(self) -> int:
        """The first that had not ended."""
        return self.running[0] if self.running else max(1, self.xmax)

    @property
    def is_valid(self) -> bool:
        """Whether the numbers can be a snapshot."""
        ascending = (0, *self.running, self.xmax)
        return self.xmax <= BIGINT_MAX and (not self.running or all(a < b for a, b in pairwise(ascending)))

    def covers(self, other: "Snapshot") -> bool:
        """Return whether it was taken after another, or at the same moment."""
        return self.xmax >= other.xmax and all(xid >= other.xmax or xid in other.running for xid in self.running)


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A position in the log in commit order.

    Args:
        lo: What had ended before the window that is being read; among restored events, xmax is the job.
        hi: What had ended when the window was opened; 0 among restored events.
        seq: The last event that was read in the window, 0 for none.
        system_identifier: The cluster of these transactions.
        database: The oid of the database in it; None in a position of an older evtrack.
    """

    lo: Snapshot
    hi: Snapshot
    seq: int
    system_identifier: int
    database: int | None = None

    def __str__(self) -> str:
        """Return the form that `parse` reads."""
        database = "" if self.database is None else f".{self.database}"
        return f"{self.lo}-{self.hi}-{self.seq}-{self.system_identifier}{database}"

    @property
    def is_restored(self) -> bool:
        """Whether it is among the restored events."""
        return self.hi.xmax == 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a position.

        Args:
            text: The result of str() of a position.

        Returns:
            The position.

        Raises:
            BadArgument: The text is not a position.
        """
        found = _POSITION.fullmatch(text)
        if found:
            lo, hi = Snapshot.parse(found[1]), Snapshot.parse(found[2])
            at = cls(lo, hi, int(found[3]), int(found[4]), None if found[5] is None else int(found[5]))
            fits = at.is_restored or hi.covers(lo)
            if fits and lo.is_valid and hi.is_valid and max(at.seq, at.system_identifier) <= BIGINT_MAX:
                return at
        raise BadArgument(
            f"{quoted(text)} is not a valid position in the log.",
            hint="Copy a position from a line of `evtrack events --json`, such as 0-751-12-73…",
        )
