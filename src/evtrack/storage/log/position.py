"""Positions in the log: which transactions a reader has seen, and how far it is with those after them."""

import re
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final, Self

from evtrack.domain.column_types import BIGINT_MAX
from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted

_LAST_DAY: Final = date.max.toordinal()
_NUMBER: Final = r"[0-9]{1,19}"
_SNAPSHOT: Final = rf"{_NUMBER}(?::{_NUMBER}:{_NUMBER}(?:,{_NUMBER})*)?"
_READ: Final = rf"({_NUMBER})\.({_NUMBER})\.([0-9a-f]{{8}})\.([0-9a-f]{{8}})"
_KNOWN: Final = rf"({_SNAPSHOT})~({_NUMBER})"
_POSITION: Final = re.compile(
    rf"({_SNAPSHOT})-({_SNAPSHOT})-({_NUMBER})-({_NUMBER})"
    rf"(?:\.({_NUMBER})(?:\.({_NUMBER})(?:\.{_READ})?(?:~{_KNOWN})?)?)?"
)


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

    def below(self, xmax: int) -> "Snapshot":
        """Return what it says about the transactions below one of them."""
        return Snapshot(min(self.xmax, xmax), tuple(xid for xid in self.running if xid < xmax))

    @property
    def is_valid(self) -> bool:
        """Whether the numbers can be a snapshot."""
        ascending = (0, *self.running, self.xmax)
        return self.xmax <= BIGINT_MAX and (not self.running or all(a < b for a, b in pairwise(ascending)))

    def covers(self, other: "Snapshot") -> bool:
        """Return whether it was taken after another, or at the same moment."""
        return self.xmax >= other.xmax and all(xid >= other.xmax or xid in other.running for xid in self.running)


@dataclass(frozen=True, slots=True)
class Evidence:
    """By what a reader recognizes the log that it has read: the events of its window up to the last one.

    Args:
        day: The day of the last event's job, as an ordinal.
        xid: The last event's transaction.
        last: The checksum of the last event.
        window: The checksum of all of them, in order.
    """

    day: int
    xid: int
    last: int
    window: int

    def __str__(self) -> str:
        """Return the form that is part of a position."""
        return f"{self.day}.{self.xid}.{self.last:08x}.{self.window:08x}"


@dataclass(frozen=True, slots=True)
class Known:
    """What a window holds that was read before a new timeline: what `seen` sees up to `seq`."""

    seen: Snapshot
    seq: int


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A position in the log in commit order.

    Args:
        lo: What had ended before the window that is being read; among restored events, xmax is the job.
        hi: What had ended when the window was opened; 0 among restored events.
        seq: The last event that was read in the window, 0 for none.
        system_identifier: The cluster of these transactions.
        database: The oid of the database in it; None in a position of an older evtrack.
        timeline: The cluster's timeline; None in a position of an older evtrack.
        evidence: What was read in the window; None if nothing was, or an older evtrack read it.
        known: What the window holds that was read before; None for nothing.
    """

    lo: Snapshot
    hi: Snapshot
    seq: int
    system_identifier: int
    database: int | None = None
    timeline: int | None = None
    evidence: Evidence | None = None
    known: Known | None = None

    def __str__(self) -> str:
        """Return the form that `parse` reads."""
        text = f"{self.lo}-{self.hi}-{self.seq}-{self.system_identifier}"
        for part in (self.database, self.timeline, self.evidence):
            if part is None:
                break
            text += f".{part}"
        return text if self.known is None else f"{text}~{self.known.seen}~{self.known.seq}"

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
            database, timeline = (None if part is None else int(part) for part in (found[5], found[6]))
            evidence = known = None
            if found[7] is not None:
                evidence = Evidence(int(found[7]), int(found[8]), int(found[9], 16), int(found[10], 16))
            if found[11] is not None:
                known = Known(Snapshot.parse(found[11]), int(found[12]))
            at = cls(lo, hi, int(found[3]), int(found[4]), database, timeline, evidence, known)
            if at._is_valid():
                return at
        raise BadArgument(
            f"{quoted(text)} is not a valid position in the log.",
            hint="Copy a position from a line of `evtrack events --json`, such as 0-751-12-73…",
        )

    def _is_valid(self) -> bool:
        numbers = [self.seq, self.system_identifier]
        snapshots = [self.lo, self.hi]
        if self.evidence is not None:
            numbers.append(self.evidence.xid)
            if not 0 < self.evidence.day <= _LAST_DAY:
                return False
        if self.known is not None:
            numbers.append(self.known.seq)
            snapshots.append(self.known.seen)
        if not (self.is_restored or self.hi.covers(self.lo)):
            return False
        return max(numbers) <= BIGINT_MAX and all(snapshot.is_valid for snapshot in snapshots)
