"""Follows a job's events to the end of the job."""

from collections.abc import Iterator

from evtrack.interfaces.terminal.progress.job_bar import over
from evtrack.storage.connection.connect import Connection
from evtrack.storage.log.reader import LogRow, Tail
from evtrack.storage.reports.job_reports import job_progress

POLL_S = 0.5


def events_until_end(conn: Connection, tail: Tail, job_id: int, *, poll_s: float = POLL_S) -> Iterator[LogRow]:
    """Read a job's events as they come, until it has ended and all that it wrote is read.

    Args:
        conn: The tail's connection.
        tail: Where to read.
        job_id: The job.
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
        if goal is not None and tail.position.hi.xmax >= goal:
            return
        if quiet:
            tail.wait(poll_s)
