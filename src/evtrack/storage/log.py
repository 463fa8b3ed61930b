"""Reads the log: one stream by version, or everything in commit order, to its end and beyond."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self

from psycopg.rows import class_row

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted
from evtrack.storage.database import Connection, behind_pooler
from evtrack.storage.sql import statement

if TYPE_CHECKING:
    import psycopg

CHANNEL = "evtrack_log"

_PAGE = 1000

_POSITION = re.compile(r"([0-9]{1,19})-([0-9]{1,19})-([0-9]{1,19})-([0-9]{1,19})")
_MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of evtrack.event as it stands there; what any client wrote can be read."""

    job_day: date
    job_id: int
    batch_no: int
    version: int
    type: str
    attempt: int
    worker_id: int | None
    at: datetime
    seq: int
    xid: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log in commit order.

    Args:
        lo: First transaction of the window that is being read; among what was restored, the job.
        hi: First transaction after it, a horizon when the window was opened; 0 among what was restored.
        seq: The last event that was read in the window, 0 for none.
        system_identifier: The cluster that these transactions are of.
    """

    lo: int
    hi: int
    seq: int
    system_identifier: int

    def __str__(self) -> str:
        """Write the form that `parse` reads."""
        return f"{self.lo}-{self.hi}-{self.seq}-{self.system_identifier}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a position.

        Args:
            text: What str() made of one.

        Returns:
            The position.

        Raises:
            BadArgument: If the text is none.
        """
        found = _POSITION.fullmatch(text)
        position = cls(*(int(part) for part in found.groups())) if found else None
        if position is None or 0 < position.hi < position.lo or max(astuple(position)) > _MOST:
            raise BadArgument(
                f"{quoted(text)} is no position in the log.",
                hint="A position is four numbers, 0-751-12-73…: take it as a line of `evtrack events --json` has it.",
            )
        return position


@dataclass(frozen=True, slots=True)
class Holder:
    """The process whose open transaction keeps the horizon where it is."""

    pid: int
    application: str
    database: str | None
    open_s: float


@dataclass(frozen=True, slots=True)
class _Snapshot:
    horizon: int
    end: int
    system_identifier: int


class Tail:
    """Read the log, or one job's part of it, in commit order; each event once, each stream in version order.

    Windows of transactions [lo, hi) are read, hi being a horizon: whatever is below it has ended, so that a window is
    complete, and seq orders the events inside. What was restored comes first, job by job. See docs/adr/0002.

    Args:
        conn: A connection in autocommit mode, for this reader alone while it reads.
        start: Where to go on; None for the beginning.
        job: The job's day and id, to read that job only.
        batch_no: Only this stream of the job, 0 for the job's own; None for all.

    Raises:
        BadArgument: If the position is of another cluster, or a stream is named without its job.
    """

    def __init__(
        self,
        *,
        conn: Connection,
        start: Position | None = None,
        job: tuple[date, int] | None = None,
        batch_no: int | None = None,
    ) -> None:
        if batch_no is not None and (job is None or batch_no < 0):
            raise BadArgument(f"batch {batch_no} is no stream.", hint="Name a job, and a batch number from 0.")
        self._conn = conn
        self._pooled = behind_pooler(conn)
        self._name = "tail_log" if job is None else "tail_job"
        day, job_id = job or (None, None)
        self._job = {"job_day": day, "job_id": job_id, "batch_no": batch_no}
        conn.execute(statement("settle_log"))
        now = self._snapshot()
        horizon, system = now.horizon, now.system_identifier
        if start is not None and start.system_identifier != system:
            raise BadArgument(
                f"The position {start} is of the cluster {start.system_identifier}, and this is {system}: "
                "transaction ids do not survive a restore.",
                hint="Start from the beginning, and skip what is known by job_id, batch_no and version.",
            )
        if start is not None and start.hi > horizon:
            raise BadArgument(
                f"The position {start} lies ahead of this cluster, which is at transaction {horizon}: "
                "it was restored to an earlier time.",
                hint="Start from the beginning, and skip what is known by job_id, batch_no and version.",
            )
        self._at = start or Position(lo=0, hi=0, seq=0, system_identifier=system)

    @property
    def position(self) -> Position:
        """Where to go on after what has been yielded."""
        return self._at

    def read(self) -> Iterator[LogRow]:
        """Read on to the horizon as it is now.

        Yields:
            The events that are new; none if there are none. After each, `position` is behind it.
        """
        # The rest of the window that a position was taken in, or of what was restored; then one up to the horizon.
        yield from self._window()
        horizon = self._snapshot().horizon
        if horizon > self._at.hi:
            self._at = Position(self._at.hi, horizon, 0, self._at.system_identifier)
            yield from self._window()

    def end(self) -> int:
        """Return a transaction id with which all that has happened until now is read once `position.hi` reaches it."""
        return self._snapshot().end

    def holder(self) -> Holder | None:
        """Find the process that keeps later events from being read.

        Returns:
            The one with the oldest writing transaction that this role may see, or None.
        """
        with self._conn.cursor(row_factory=class_row(Holder)) as cursor:
            return cursor.execute(statement("horizon_holder")).fetchone()

    def listen(self) -> None:
        """Ask for hints of new events on the connection."""
        if not self._pooled:
            self._conn.execute(f"LISTEN {CHANNEL}")

    def wait(self, timeout_s: float) -> None:
        """Wait for a hint that there is more, or for the time to pass.

        Args:
            timeout_s: How long at most; polling is the guarantee, the hint only shortens it.
        """
        for _ in self._conn.notifies(timeout=timeout_s, stop_after=1):
            pass

    def _window(self) -> Iterator[LogRow]:
        at = self._at
        name = self._name if at.hi else "tail_restored"
        params = {**self._job, "lo": at.lo, "hi": at.hi, "seq": at.seq}
        # WITH HOLD: the server sorts the window once and keeps the rest in a file, and no snapshot stays open
        # while the consumer takes its time. It also plans anew each time, as wide and narrow windows need.
        # Behind a pooler it would not be found again, so there a transaction keeps the session.
        cursor: psycopg.ServerCursor[LogRow]
        with (
            self._conn.transaction() if self._pooled else nullcontext(),
            self._conn.cursor("evtrack_tail", row_factory=class_row(LogRow), withhold=not self._pooled) as cursor,
        ):
            cursor.itersize = _PAGE
            for row in cursor.execute(statement(name), params):
                self._at = Position(at.lo if at.hi else row.job_id, at.hi, row.seq, at.system_identifier)
                yield row

    def _snapshot(self) -> _Snapshot:
        with self._conn.cursor(row_factory=class_row(_Snapshot)) as cursor:
            return cursor.execute(statement("horizon")).fetchall()[0]


def stream(conn: Connection, job: tuple[date, int], batch_no: int, *, after_version: int = 0) -> list[LogRow]:
    """Read one stream in the order of its versions.

    Args:
        conn: An open connection.
        job: The job's day and id.
        batch_no: The batch; 0 for the job's own stream.
        after_version: Only what came later.

    Returns:
        Its events; none if there is no such stream.
    """
    params = {"job_day": job[0], "job_id": job[1], "batch_no": batch_no, "after_version": after_version}
    with conn.cursor(row_factory=class_row(LogRow)) as cursor:
        return cursor.execute(statement("stream"), params).fetchall()
