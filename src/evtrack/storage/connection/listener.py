"""LISTEN on a connection of its own: wake-ups as they come, and nothing lost by asking late."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Final

from psycopg import sql

from evtrack.storage.connection.connect import Connection, translated

if TYPE_CHECKING:
    import socket

WORK: Final = "evtrack_work"
"""Channel on which submitters say that there is work; the payload is the handler's name."""

LOG: Final = "evtrack_log"
"""Channel on which it is said that something was appended; the payload is the job's number."""

ALERTS: Final = "evtrack_alert"
"""Channel on which the database says, with the commit, that there is an alert."""


class Listener:
    """Waits for notifications, for a bounded time, and can be woken.

    A notification is a hint: who listens must look from time to time even without one.

    Args:
        connection: In autocommit mode; it stays the caller's.
        channel: What to listen to; None behind a pooler, where nothing would come.
        waker: A socket that ends a wait when something can be read from it.
    """

    def __init__(self, *, connection: Connection, channel: str | None, waker: socket.socket | None = None) -> None:
        self._conn = connection
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection.fileno(), selectors.EVENT_READ)
        if waker is not None:
            self._selector.register(waker, selectors.EVENT_READ)
        if channel is None:
            return
        with translated():
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    def wait(self, timeout_s: float) -> list[str]:
        """Wait for notifications.

        Args:
            timeout_s: How long at most.

        Returns:
            The payloads of those that came; none after a time-out or when woken.
        """
        with translated():
            heard = [notice.payload for notice in self._conn.notifies(timeout=0)]
            if not heard and self._selector.select(timeout_s):
                heard = [notice.payload for notice in self._conn.notifies(timeout=0)]
        return heard

    def close(self) -> None:
        """Stop waiting; the connection stays open."""
        self._selector.close()
