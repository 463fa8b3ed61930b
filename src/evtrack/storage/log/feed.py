"""Follows the log for other programs: each event once, across lost connections and restarts, by a stored position."""

import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.patience import ANSWER_S, Patience
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.position import LogPosition
from evtrack.storage.log.reader import Tail

POLL_S: Final = 0.5


def feed(
    dsn: str,
    *,
    after: LogPosition | None = None,
    job: tuple[date, int] | None = None,
    batch_no: int | None = None,
    follow: bool = False,
    has_ended: Callable[[Connection], bool] = lambda _: False,
    waiting: Callable[[Tail], None] = lambda _: None,
    patience: Patience | None = None,
    answer_s: float = ANSWER_S,
) -> Iterator[tuple[LogPosition, LogRow]]:
    """Read the log in commit order.

    Args:
        dsn: The database.
        after: Where to continue; from the beginning if None.
        job: The job's day and id, to read that job only.
        batch_no: Only this stream of the job, 0 for the job's own; None for all.
        follow: Whether to continue with new events, also after a lost connection.
        has_ended: Returns whether no event will follow those that are committed now.
        waiting: Called when there was nothing new.
        patience: How long the database may be away; by default five minutes.
        answer_s: How long the server may stay silent in a statement before it counts as away, if this follows.

    Yields:
        The position behind an event, and the event. A program that stores the position together with what it did with
        the event, and continues there after a restart, sees each event once.

    Raises:
        BadArgument: The position is from another cluster or database.
        LogDiverged: A failover or a restore lost events that were read before the position.
        CannotConnect: The database cannot be reached, or stayed unreachable.
    """
    at, patience = after, patience or Patience()
    while True:
        try:
            with connect(dsn, purpose="tail", reads=True, answer_s=answer_s if follow else None) as conn:
                tail = Tail(conn=conn, start=at, job=job, batch_no=batch_no)
                patience.answered()
                end: int | None = None
                while True:
                    # Its events are in transactions before this one.
                    if follow and end is None and has_ended(conn):
                        end = tail.end()
                    quiet = True
                    for row in tail.read():
                        at, quiet = tail.position, False
                        yield at, row
                    at = tail.position
                    if not follow or (end is not None and tail.has_read(end)):
                        return
                    if quiet:
                        waiting(tail)
                        # Nobody announces events: that would cost each transaction more than this costs.
                        time.sleep(POLL_S)
        except EvtrackError as error:
            if not follow:
                raise
            patience.wait(error)
