"""Follows a job's events to the end of the job."""

from collections.abc import Callable, Iterator

from evtrack.domain.text import plain
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.bar import over
from evtrack.interfaces.terminal.text import duration
from evtrack.storage.database import Connection
from evtrack.storage.log import LogRow, Tail
from evtrack.storage.reports import job_progress

POLL_S = 0.5
PATIENCE_S = 3.0


def events_until_end(
    conn: Connection, tail: Tail, job_id: int, *, waiting: Callable[[], None], poll_s: float = POLL_S
) -> Iterator[LogRow]:
    """Read a job's events as they come, until it has ended and all that it wrote is read.

    Args:
        conn: The tail's connection.
        tail: Where to read.
        job_id: The job.
        waiting: Called when nothing new was there.
        poll_s: How long to wait at most between two looks.

    Yields:
        The events.
    """
    tail.listen()
    goal: int | None = None
    while True:
        if goal is None and over(job_progress(conn, job_id)):
            goal = tail.end()
        quiet = True
        for row in tail.read():
            quiet = False
            yield row
        if goal is not None and tail.position.hi >= goal:
            return
        if quiet:
            waiting()
            tail.wait(poll_s)


def warn_of_holder(tail: Tail, told: set[int]) -> None:
    """Say on stderr, once a process, that an open transaction elsewhere holds later events back.

    Args:
        tail: What waits.
        told: The processes that were named already.
    """
    holder = tail.holder()
    if holder is None or holder.open_s < PATIENCE_S or holder.pid in told:
        return
    told.add(holder.pid)
    notice(
        f"Waiting: process {holder.pid} ({plain(holder.application, 60)}) has had a transaction open for "
        f"{duration(holder.open_s)}; later events are shown when it ends."
    )
