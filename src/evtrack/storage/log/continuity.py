"""Makes sure that the log is the one that a position was taken in: the same cluster, and no lost commits."""

from __future__ import annotations

import zlib
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.errors import BadArgument, LogDiverged
from evtrack.storage.connection.query import one, value
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.position import Evidence, Known, LogPosition, Snapshot

if TYPE_CHECKING:
    from collections.abc import Generator

    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.log.log_row import LogSnapshot

_FROM_BEGINNING: Final = "Start from the beginning, and skip what is known by job_id, batch_no and version."


def checksum_of(row: LogRow, before: int = 0) -> int:
    """Return a checksum of an event, and of those before it.

    Args:
        row: The event.
        before: The checksum of those before it.
    """
    return zlib.crc32(f"{row.job_id} {row.batch_no} {row.version} {row.type} {row.seq} {row.at}".encode(), before)


def position_after(window: LogPosition, row: LogRow, checksum: int | None) -> LogPosition:
    """Return the position behind an event.

    Args:
        window: The window that the event is in.
        row: The event.
        checksum: The checksum of what was read in the window up to it; None if that is not known.
    """
    if window.is_restored:
        return replace(window, lo=Snapshot(row.job_id), seq=row.seq)
    evidence = None
    if checksum is not None:
        evidence = Evidence(row.job_day.toordinal(), row.xid, checksum_of(row), checksum)
    return replace(window, seq=row.seq, evidence=evidence)


def check_origin(start: LogPosition, now: LogSnapshot) -> None:
    """Reject a position that means something else here.

    Raises:
        BadArgument: It is from another cluster, or from another database of this one.
        LogDiverged: This cluster was restored to an earlier time.
    """
    if start.system_identifier != now.system_identifier:
        raise BadArgument(
            f"The position {start} is from cluster {start.system_identifier}, and this is {now.system_identifier}: "
            "transaction ids do not survive a restore.",
            hint=_FROM_BEGINNING,
        )
    # Transaction ids belong to the cluster, so a position of another database would be accepted, and hide events.
    if start.database not in {None, now.database}:
        raise BadArgument(
            f"The position {start} is from another database of this cluster, or from before this one was recreated.",
            hint="Name its database with --dsn; or start from the beginning, and skip what is known by job_id, "
            "batch_no and version.",
        )
    # A standby may lag; on another timeline, transaction ids were given out again.
    if not now.is_standby and start.timeline in {None, now.timeline} and start.hi.xmax > now.end:
        raise LogDiverged(
            f"The position {start} is ahead of this cluster, which is at transaction {now.end}: "
            "it was restored to an earlier time."
        )


def check_last_event(conn: Connection, at: LogPosition) -> None:
    """Make sure that the last event before a position is still the same.

    A backup that was restored without a new timeline shows here, and a standby that took over in place of another one.

    Raises:
        LogDiverged: It is another event, or there is none although its day was not dropped.
    """
    if at.evidence is None:
        return
    here: dict[str, Any] = {"job_day": date.fromordinal(at.evidence.day), "xid": str(at.evidence.xid), "seq": at.seq}
    row = one(conn, LogRow, "tail_event", **here)
    if row is None and value(conn, "day_was_dropped", job_day=here["job_day"]):
        return
    if row is None or checksum_of(row) != at.evidence.last:
        raise LogDiverged(
            f"The log does not contain the event before the position {at}: the database was restored, or a failover "
            "lost commits."
        )


def known_on_new_timeline(at: LogPosition, now: LogSnapshot, window: Generator[LogRow, None, None]) -> Known:
    """Prove that a new timeline contains everything that was read before a position on another one.

    The commits of a window come after all commits of the windows before it. So if the window's events are in the new
    timeline, everything that was read is, because a timeline begins with all of the log up to some point. Transactions
    after that point were given out again: only those that are known to come before it count as read.

    Args:
        at: The position.
        now: The new timeline.
        window: What its log has in the window of the position.

    Returns:
        What was read in the window.

    Raises:
        LogDiverged: It lacks events that were read, or that cannot be ruled out.
    """
    moved = f"The position {at} is from timeline {at.timeline} of this cluster, which is now on timeline {now.timeline}"
    if at.evidence is None or at.known is not None:
        raise LogDiverged(f"{moved}, and whether commits were lost in between cannot be shown.")
    checksum = last_xid = 0
    with closing(window):
        for row in window:
            if row.seq > at.seq:
                break
            checksum = checksum_of(row, checksum)
            last_xid = max(last_xid, row.xid)
    if checksum != at.evidence.window:
        raise LogDiverged(f"{moved}, and lacks events that were read before: a failover or a restore lost commits.")
    lo = at.lo.below(Snapshot.parse(now.snapshot).xmax)
    running = [xid for xid in at.hi.running if xid <= last_xid] + [xid for xid in lo.running if xid > last_xid]
    return Known(Snapshot(max(last_xid + 1, lo.xmax), tuple(running)), at.seq)
