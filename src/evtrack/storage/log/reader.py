"""Reads the log: one stream by version, or all events in commit order, with a position to continue from."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import set_json_loads

from evtrack.domain.errors import BadArgument
from evtrack.storage.connection.connect import Connection, behind_pooler
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.listener import LOG
from evtrack.storage.connection.query import one, run
from evtrack.storage.connection.sql_files import statement
from evtrack.storage.log.position import LogPosition, Snapshot

if TYPE_CHECKING:
    import psycopg

_PAGE: Final = 1000

_DEEPEST: Final = 200
"""Twice the depth that our functions accept; programs that display data descend step by step, to a limited depth."""

_SHOWN: Final = 200
_STEP: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]')
_LONG: Final = re.compile(r"\d{309}")


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of evtrack.event_log.

    Any event can be read, whatever a client wrote into the table: where `data` is not an object, is nested too deep or
    contains a number that is too long, it is replaced by an object with its beginning as `unreadable`.
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


class _LogSnapshot(NamedTuple):
    """What has ended now, the first transaction that has not begun, the cluster, and the database in it."""

    snapshot: str
    end: int
    system_identifier: int
    database: int


class Tail:
    """Reads the log, or one job's part of it, in commit order: each event once, each stream in version order.

    A window is what one snapshot sees and the one before it did not, ordered by seq. An event is seen only with those
    before it in its stream, and no slow transaction delays the reader. Restored events come first, job by job.
    See docs/adr/log/0019.

    Args:
        conn: A connection in autocommit mode, for this reader alone while it reads.
        start: Where to continue; None for the beginning.
        job: The job's day and id, to read that job only.
        batch_no: Only this stream of the job, 0 for the job's own; None for all.

    Raises:
        BadArgument: The position is from another cluster or database, or a batch is named without its job.
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
        if start is not None:
            _check_origin(start, now)
        beginning = LogPosition(Snapshot(0), Snapshot(0), 0, now.system_identifier)
        self._at = replace(start or beginning, database=now.database)

    @property
    def position(self) -> LogPosition:
        """Where to continue after what has been yielded."""
        return self._at

    def read(self) -> Iterator[LogRow]:
        """Read up to what is committed now.

        Yields:
            The new events, if any. After each, `position` is the position behind it.
        """
        # The rest of the window that a position was taken in, or of the restored events; then one up to now.
        yield from self._window()
        now = Snapshot.parse(self._now().snapshot)
        # A standby may lag behind the server that the position is from.
        if now != self._at.hi and now.covers(self._at.hi):
            self._at = replace(self._at, lo=self._at.hi, hi=now, seq=0)
            yield from self._window()

    def end(self) -> int:
        """Return the transaction id that `position.hi.xmax` reaches once everything committed by now has been read."""
        return self._now().end

    def listen(self) -> None:
        """Ask for notifications of new events on the connection."""
        if not self._pooled:
            with translated():
                self._conn.execute(f"LISTEN {LOG}")

    def wait(self, timeout_s: float) -> None:
        """Wait for a notification of new events, or for the timeout.

        Args:
            timeout_s: How long at most; polling is the guarantee, the notification only shortens the wait.
        """
        with translated():
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
            set_json_loads(_readable, cursor)
            for row in cursor.execute(statement(name), params):
                lo = Snapshot(row.job_id) if at.is_restored else at.lo
                self._at = replace(at, lo=lo, seq=row.seq)
                yield row

    def _now(self) -> _LogSnapshot:
        found = one(self._conn, _LogSnapshot, "log_snapshot")
        assert found is not None  # noqa: S101  a SELECT without WHERE returns a row
        return found


def _check_origin(start: LogPosition, now: _LogSnapshot) -> None:
    """Reject a position that means something else here."""
    from_beginning = "Start from the beginning, and skip what is known by job_id, batch_no and version."
    if start.system_identifier != now.system_identifier:
        raise BadArgument(
            f"The position {start} is from cluster {start.system_identifier}, and this is {now.system_identifier}: "
            "transaction ids do not survive a restore.",
            hint=from_beginning,
        )
    # Transaction ids belong to the cluster, so a position of another database would be accepted, and hide events.
    if start.database not in {None, now.database}:
        raise BadArgument(
            f"The position {start} is from another database of this cluster, or from before this one was recreated.",
            hint="Name its database with --dsn; or start from the beginning, and skip what is known by job_id, "
            "batch_no and version.",
        )
    if start.hi.xmax > now.end:
        raise BadArgument(
            f"The position {start} is ahead of this cluster, which is at transaction {now.end}: "
            "it was restored to an earlier time.",
            hint=from_beginning,
        )


def stream(conn: Connection, job_day: date, job_id: int, batch_no: int) -> list[LogRow]:
    """Read one stream in the order of its versions.

    Args:
        batch_no: The batch; 0 for the job's own stream.

    Returns:
        Its events; none if there is no such stream.
    """
    params = {"job_day": job_day, "job_id": job_id, "batch_no": batch_no}
    with translated(), conn.cursor(row_factory=class_row(LogRow)) as cursor:
        set_json_loads(_readable, cursor)
        return cursor.execute(statement("stream"), params).fetchall()


def _readable(written: str | bytes) -> dict[str, Any]:
    text = written if isinstance(written, str) else written.decode()
    try:
        if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
            raise ValueError  # noqa: TRY301  handled like text that is not JSON
        # Most JSON parsers cannot read a number beyond the range of a float.
        data = json.loads(text, parse_int=_number, parse_float=_number) if _LONG.search(text) else json.loads(text)
    except (RecursionError, ValueError, OverflowError):
        data = None
    if isinstance(data, dict):
        return data
    return {"unreadable": text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"}


def _depth(text: str) -> int:
    depth = deepest = 0
    for found in _STEP.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _number(digits: str) -> int | float:
    number = float(digits)
    if math.isinf(number):
        raise OverflowError
    return int(digits) if digits.isdecimal() else number
