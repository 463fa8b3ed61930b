"""LISTEN with bounded waits."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Final

from psycopg import sql

from evtrack.storage.connection.error_translation import translated

if TYPE_CHECKING:
    import socket

    import psycopg

    from evtrack.storage.connection.connect import Connection

WORK: Final = "evtrack_work"
"""Channel on which submitters announce work; the payload is the handler's name."""

ALERTS: Final = "evtrack_alert"
"""Channel on which the database announces an alert, with the commit."""


class Listener:
    """Waits for notifications, for a bounded time; another thread can end the wait.

    A notification is a hint: a listener must also poll.

    Args:
        connection: In autocommit mode; it stays the caller's.
        channel: What to listen to; None behind a pooler, where no notification would arrive.
        waker: A socket that ends a wait when it becomes readable.
    """

    def __init__(self, *, connection: Connection, channel: str | None, waker: socket.socket | None = None) -> None:
        self._conn = connection
        self._heard: list[str] = []
        connection.add_notify_handler(self._hear)
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection.fileno(), selectors.EVENT_READ)
        if waker is not None:
            self._selector.register(waker, selectors.EVENT_READ)
        if channel is not None:
            with translated():
                connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    def wait(self, timeout_s: float | None) -> list[str]:
        """Wait for notifications, also for those that came with the answer to a statement since the last wait.

        Args:
            timeout_s: How long at most; None for as long as it takes.

        Returns:
            The payloads of those that arrived; none after a timeout or when woken.
        """
        with translated():
            payloads = self._arrived()
            if not payloads and self._selector.select(timeout_s):
                payloads = self._arrived()
        return payloads

    def close(self) -> None:
        """Stop waiting; the connection stays open."""
        self._selector.close()
        self._conn.remove_notify_handler(self._hear)

    def _hear(self, notice: psycopg.Notify) -> None:
        self._heard.append(notice.payload)

    def _arrived(self) -> list[str]:
        # By libpq's own calls: a worker that waits for work runs as little as possible until it claims.
        pgconn = self._conn.pgconn
        pgconn.consume_input()
        payloads, self._heard = self._heard, []
        while (notice := pgconn.notifies()) is not None:
            payloads.append(notice.extra.decode(errors="replace"))
        return payloads
