"""The Python API for programs that follow the log."""

from collections.abc import Iterator

from evtrack.config import settings_from
from evtrack.storage.database import check_schema, connect
from evtrack.storage.feed import feed
from evtrack.storage.log import LogRow, Position
from evtrack.storage.reports import job_key
from evtrack.storage.server import serving


def tail(
    connection: str | None = None, *, after: str | None = None, job: int | None = None, follow: bool = False
) -> Iterator[tuple[str, LogRow]]:
    """Read the log in commit order, each event once and the versions of each stream rising.

    Args:
        connection: A connection string; without it, the one that the environment names.
        after: The position to go on after; from the beginning if None.
        job: Only this job.
        follow: Go on with what comes, for ever; a lost connection is opened again.

    Yields:
        The position behind an event, to be kept together with what came of it, and the event.

    Raises:
        BadArgument: The position is none, or of another cluster: after a restore start from the beginning.
        NoSuchJob: There is no such job.
    """
    start = None if after is None else Position.parse(after)
    with serving(settings_from(dsn=connection)) as dsn:
        with connect(dsn, purpose="tail") as conn:
            check_schema(conn)
            key = None if job is None else (job_key(conn, job).job_day, job)
        for position, row in feed(dsn, after=start, job=key, follow=follow):
            yield str(position), row
