"""Follows the log for other programs: each event once, over lost connections and restarts, by a position to keep."""

import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from evtrack.domain.errors import CannotConnect, TransientError
from evtrack.storage.connection.connect import connect, translated
from evtrack.storage.log.position import Position
from evtrack.storage.log.reader import LogRow, Tail

POLL_S: Final = 0.5
_AGAIN_S: Final = 1.0
_PATIENCE_S: Final = 300.0


def feed(
    dsn: str,
    *,
    after: Position | None = None,
    job: tuple[date, int] | None = None,
    follow: bool = False,
    waiting: Callable[[Tail], None] = lambda _: None,
    patience_s: float = _PATIENCE_S,
) -> Iterator[tuple[Position, LogRow]]:
    """Read the log in commit order.

    Args:
        dsn: The database.
        after: Where to go on; from the beginning if None.
        job: The job's day and id, to read that job only.
        follow: Whether to go on with what comes, for ever, also after the connection was lost.
        waiting: Is called when nothing new was there.
        patience_s: For how long a database that is gone is asked for again.

    Yields:
        The position behind an event, and the event. Who keeps the one together with what came of the other, and starts
        again there, sees each event once.

    Raises:
        BadArgument: The position is of another cluster.
        CannotConnect: The database cannot be reached, or stayed away.
    """
    at, seen_at = after, 0.0
    while True:
        try:
            with connect(dsn, purpose="tail") as conn, translated():
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
            time.sleep(_AGAIN_S)
