"""Reads the log: one stream by version, or everything in commit order, to its end and beyond."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from evtrack.domain.errors import BadArgument
from evtrack.storage.connection.connect import Connection, behind_pooler
from evtrack.storage.connection.statements import statement
from evtrack.storage.log.event_data import read_event_data
from evtrack.storage.log.position import Position, Snapshot

if TYPE_CHECKING:
    import psycopg

CHANNEL = "evtrack_log"

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of evtrack.event as it stands there.

    What any client wrote can be read: of data that is no object, is nested too deep or has a number too long, `data` is
    an object with the beginning of it, `unreadable`.
    """

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


class Tail:
    """Read the log, or one job's part of it, in commit order; each event once, each stream in version order.

    A window is what one snapshot sees and the one before it did not, ordered by seq. An event is seen only with those
    before it in its stream, and nobody who is slow to commit is waited for. What was restored comes first, job by job.
    See docs/adr/log/0019.

    Args:
        conn: A connection in autocommit mode, for this reader alone while it reads.
        start: Where to go on; None for the beginning.
        job: The job's day and id, to read that job only.
        batch_no: Only this stream of the job, 0 for the job's own; None for all.

    Raises:
        BadArgument: If the position is of another cluster or database, or a stream is named without its job.
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
        _, end, system, database = self._now()
        if start is not None and start.system_identifier != system:
            raise BadArgument(
                f"The position {start} is of the cluster {start.system_identifier}, and this is {system}: "
                "transaction ids do not survive a restore.",
                hint="Start from the beginning, and skip what is known by job_id, batch_no and version.",
            )
        # Transactions are the cluster's, so one of another database would be taken, and hide events.
        if start is not None and start.database not in {None, database}:
            raise BadArgument(
                f"The position {start} is of another database of this cluster, or of this one before it was made anew.",
                hint="Name its database with --dsn; or start from the beginning, and skip what is known by job_id, "
                "batch_no and version.",
            )
        if start is not None and start.hi.xmax > end:
            raise BadArgument(
                f"The position {start} lies ahead of this cluster, which is at transaction {end}: "
                "it was restored to an earlier time.",
                hint="Start from the beginning, and skip what is known by job_id, batch_no and version.",
            )
        self._at = replace(start or Position(Snapshot(0), Snapshot(0), 0, system), database=database)

    @property
    def position(self) -> Position:
        """Where to go on after what has been yielded."""
        return self._at

    def read(self) -> Iterator[LogRow]:
        """Read on to what is there now.

        Yields:
            The events that are new; none if there are none. After each, `position` is behind it.
        """
        # The rest of the window that a position was taken in, or of what was restored; then one up to now.
        yield from self._window()
        now, *_ = self._now()
        # A standby may be behind the server that the position is from.
        if now != self._at.hi and now.covers(self._at.hi):
            self._at = replace(self._at, lo=self._at.hi, hi=now, seq=0)
            yield from self._window()

    def end(self) -> int:
        """Return a transaction id with which all that is there now is read once `position.hi.xmax` reaches it."""
        return self._now()[1]

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
        params: dict[str, Any] = {**self._job, "seq": at.seq}
        if at.is_restored:
            name, params["after_job"] = "tail_restored", at.lo.xmax
        else:
            name = self._name
            params |= {"lo": str(at.lo.xmax), "hi": str(at.hi.xmax), "seen": at.hi.in_sql}
            params["late"] = f"{{{','.join(map(str, at.lo.running))}}}"
        # WITH HOLD: the server sorts the window once and keeps the rest in a file, and no snapshot stays open
        # while the consumer takes its time. It also plans anew each time, as wide and narrow windows need.
        # Behind a pooler it would not be found again, so there a transaction keeps the session.
        cursor: psycopg.ServerCursor[LogRow]
        with (
            self._conn.transaction() if self._pooled else nullcontext(),
            self._conn.cursor("evtrack_tail", row_factory=class_row(LogRow), withhold=not self._pooled) as cursor,
        ):
            cursor.itersize = _PAGE
            read_event_data(cursor)
            for row in cursor.execute(statement(name), params):
                lo = Snapshot(row.job_id) if at.is_restored else at.lo
                self._at = replace(at, lo=lo, seq=row.seq)
                yield row

    def _now(self) -> tuple[Snapshot, int, int, int]:
        """Read what has ended now, the first transaction that has not begun, the cluster, and the database in it."""
        row = self._conn.execute(statement("log_snapshot")).fetchone()
        assert row is not None, "a SELECT without WHERE returns a row"  # noqa: S101
        return Snapshot.parse(row[0]), row[1], row[2], row[3]


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
        read_event_data(cursor)
        return cursor.execute(statement("stream"), params).fetchall()
