"""Follows the log for other programs: each event once, across lost connections and restarts, by a stored position."""

import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from evtrack.domain.database_errors import CannotConnect, TransientError
from evtrack.storage.connection.connect import connect
from evtrack.storage.log.position import LogPosition
from evtrack.storage.log.reader import LogRow, Tail

POLL_S: Final = 0.5
_RECONNECT_S: Final = 1.0
_PATIENCE_S: Final = 300.0


def feed(
    dsn: str,
    *,
    after: LogPosition | None = None,
    job: tuple[date, int] | None = None,
    follow: bool = False,
    waiting: Callable[[Tail], None] = lambda _: None,
    patience_s: float = _PATIENCE_S,
) -> Iterator[tuple[LogPosition, LogRow]]:
    """Read the log in commit order.

    Args:
        dsn: The database.
        after: Where to continue; from the beginning if None.
        job: The job's day and id, to read that job only.
        follow: Whether to continue with new events forever, also after a lost connection.
        waiting: Called when there was nothing new.
        patience_s: For how long to try to reconnect.

    Yields:
        The position behind an event, and the event. A program that stores the position together with what it did with
        the event, and continues there after a restart, sees each event once.

    Raises:
        BadArgument: The position is from another cluster.
        CannotConnect: The database cannot be reached, or stayed unreachable.
    """
    at, seen_at = after, 0.0
    while True:
        try:
            with connect(dsn, purpose="tail") as conn:
                tail = Tail(conn=conn, start=at, job=job)
                tail.listen()
                while True:
                    quiet, seen_at = True, time.monotonic()
                    for row in tail.read():
                        at, quiet = tail.position, False
                        yield at, row
                    at = tail.position
                    if not follow:
                        return
                    if quiet:
                        waiting(tail)
                        tail.wait(POLL_S)
        except (TransientError, CannotConnect):
            if not follow or time.monotonic() - seen_at > patience_s or not seen_at:
                raise
            time.sleep(_RECONNECT_S)
