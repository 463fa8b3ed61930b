"""Reads the log: one stream by version, or all events in commit order, with a position to continue from."""

from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import class_row
from psycopg.types.json import set_json_loads

from evtrack.domain.errors import BadArgument
from evtrack.storage.connection.connect import Connection, behind_pooler
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import one, run
from evtrack.storage.connection.sql_files import statement
from evtrack.storage.log.continuity import (
    check_last_event,
    check_origin,
    checksum_of,
    known_on_new_timeline,
    position_after,
)
from evtrack.storage.log.log_row import LogRow, LogSnapshot, readable
from evtrack.storage.log.position import Known, LogPosition, Snapshot

if TYPE_CHECKING:
    import psycopg

_PAGE: Final = 1000


class Tail:
    """Reads the log, or one job's part of it, in commit order: each event once, each stream in version order.

    A window is what one snapshot sees and the one before it did not, ordered by seq. An event is seen only with those
    before it in its stream, and no slow transaction delays the reader. Restored events come first, job by job.
    See docs/adr/log/0019, and 0025 about timelines.

    Args:
        conn: A connection in autocommit mode, for this reader alone while it reads.
        start: Where to continue; None for the beginning.
        job: The job's day and id, to read that job only.
        batch_no: Only this stream of the job, 0 for the job's own; None for all.

    Raises:
        BadArgument: The position is from another cluster or database, or a batch is named without its job.
        LogDiverged: A failover or a restore lost events that were read before the position.
    """

    def __init__(
        self,
        *,
        conn: Connection,
        start: LogPosition | None = None,
        job: tuple[date, int] | None = None,
        batch_no: int | None = None,
    ) -> None:
        if batch_no is not None and (job is None or batch_no < 0):
            raise BadArgument(f"no such batch: {batch_no}", hint="Name a job, and a batch number from 0.")
        self._conn = conn
        self._pooled = behind_pooler(conn)
        self._name = "tail_log" if job is None else "tail_job"
        day, job_id = job or (None, None)
        self._job = {"job_day": day, "job_id": job_id, "batch_no": batch_no}
        run(conn, "adopt_log")
        now = self._now()
        beginning = LogPosition(Snapshot(0), Snapshot(0), 0, now.system_identifier)
        at = start or beginning
        check_origin(at, now)
        self._at = replace(at, database=now.database, timeline=now.timeline if at.timeline is None else at.timeline)
        self._last: tuple[LogPosition, LogRow, int | None] | None = None
        self._unfinished = True  # the window of the position may hold more
        self._read_to = at.hi
        self._known: Known | None = None
        self._proven: int | None = None
        self._prove(now)

    @property
    def position(self) -> LogPosition:
        """Where to continue after what has been yielded."""
        if self._last is not None:
            # Only now, because it costs as much as reading the event.
            self._at, self._last = position_after(*self._last), None
        return self._at

    def has_read(self, end: int) -> bool:
        """Return whether everything has been read that was committed when `end()` returned this."""
        return not self._unfinished and self._read_to.xmax >= end

    def read(self) -> Iterator[LogRow]:
        """Read up to what is committed now.

        Yields:
            The new events, if any. After each, `position` is the position behind it.

        Raises:
            LogDiverged: A failover or a restore lost events that were read.
        """
        now = self._now()
        self._prove(now)
        # The rest of the window that a position was taken in, or of the restored events; then one up to now.
        if self._unfinished:
            yield from self._window(self.position)
            now = self._now()
        seen = Snapshot.parse(now.snapshot)
        # A standby may lag behind the server that the position is from.
        if self._known or (seen != self._read_to and seen.covers(self._read_to)):
            here = (now.system_identifier, now.database, now.timeline)
            yield from self._window(LogPosition(self._read_to, seen, 0, *here, known=self._known))

    def end(self) -> int:
        """Return the transaction id to ask `has_read` for: everything committed by now is below it."""
        return self._now().end

    def _prove(self, now: LogSnapshot) -> None:
        """Make sure, at first and on each new timeline, that this log holds what was read."""
        at = self.position
        if self._proven == now.timeline or at.is_restored:
            return
        if now.is_standby and not Snapshot.parse(now.snapshot).covers(at.hi):
            return  # it will hold it later
        # A standby may report the timeline before its own for a while.
        before = at.timeline is not None and now.is_standby and now.timeline < at.timeline
        if before or at.timeline == now.timeline:
            check_last_event(self._conn, at)
        else:
            read = replace(at, seq=0, evidence=None)
            self._known = known_on_new_timeline(at, now, self._rows(read))
            # All of it is read again from a snapshot of the new timeline, except for what is known.
            self._unfinished = False
            self._read_to = at.lo.below(Snapshot.parse(now.snapshot).xmax)
        self._proven = now.timeline

    def _window(self, window: LogPosition) -> Iterator[LogRow]:
        checksum = window.evidence.window if window.evidence else None if window.seq else 0
        for row in self._rows(window):
            if checksum is not None:
                checksum = checksum_of(row, checksum)
            self._last = window, row, checksum
            self._unfinished, self._read_to, self._known = True, window.hi, None
            yield row
        self._unfinished, self._read_to, self._known = False, window.hi, None

    def _rows(self, at: LogPosition) -> Generator[LogRow, None, None]:
        """Read what the window of a position holds after the position."""
        params: dict[str, Any] = {**self._job, "seq": at.seq}
        if at.is_restored:
            name, params["after_job"] = "tail_restored", at.lo.xmax
        else:
            name = self._name
            params |= {"lo": str(at.lo.xmax), "hi": str(at.hi.xmax), "seen": at.hi.in_sql}
            params["late"] = f"{{{','.join(map(str, at.lo.running))}}}"
            known = at.known or Known(Snapshot(0), 0)
            params |= {"known": known.seen.in_sql, "known_seq": known.seq}
        # WITH HOLD: the server sorts the window once and keeps the rest in a file, and no snapshot stays open while
        # the consumer takes its time. It also plans each window separately, because wide and narrow ones differ.
        # Behind a pooler the cursor would not be found again, so there a transaction keeps the session.
        cursor: psycopg.ServerCursor[LogRow]
        with (
            translated(),
            self._conn.transaction() if self._pooled else nullcontext(),
            self._conn.cursor("evtrack_tail", row_factory=class_row(LogRow), withhold=not self._pooled) as cursor,
        ):
            cursor.itersize = _PAGE
            set_json_loads(readable, cursor)
            yield from cursor.execute(statement(name), params)

    def _now(self) -> LogSnapshot:
        found = one(self._conn, LogSnapshot, "log_snapshot")
        assert found is not None  # noqa: S101  a SELECT without WHERE returns a row
        return found


def stream(conn: Connection, job_day: date, job_id: int, batch_no: int, *, latest: int | None = None) -> list[LogRow]:
    """Read one stream in the order of its versions.

    Args:
        batch_no: The batch; 0 for the job's own stream.
        latest: Only the first event and so many of the latest, of a batch; None for all.

    Returns:
        Its events; none if there is no such stream.
    """
    params = {"job_day": job_day, "job_id": job_id, "batch_no": batch_no, "latest": latest}
    with translated(), conn.cursor(row_factory=class_row(LogRow)) as cursor:
        set_json_loads(readable, cursor)
        return cursor.execute(statement("stream" if latest is None else "stream_ends"), params).fetchall()
