"""The hub's connection, and its notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evtrack.domain.errors import EvtrackError
from evtrack.runtime.live.reader_pool import ANSWER_S
from evtrack.storage.connection.connect import behind_pooler, connect
from evtrack.storage.connection.listener import ALERTS, Listener
from evtrack.storage.connection.query import value

if TYPE_CHECKING:
    from evtrack.runtime.waker import Waker


class HubSession:
    """An open connection that listens for alerts.

    Args:
        dsn: The database.
        purpose: What the connection is for, shown as application_name.
        waker: Ends a wait.

    Raises:
        EvtrackError: The database is away, or refused.
    """

    def __init__(self, dsn: str, purpose: str, waker: Waker) -> None:
        self.conn = connect(dsn, purpose=purpose, reads=True, answer_s=ANSWER_S)
        try:
            # Behind a pooler no notification arrives, a standby takes no LISTEN, and polling alone has to do.
            is_deaf = behind_pooler(self.conn) or bool(value(self.conn, "is_standby"))
            channel = None if is_deaf else ALERTS
            self._listener = Listener(connection=self.conn, channel=channel, waker=waker.socket)
        except EvtrackError:
            self.conn.close()
            raise

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notification.

        Args:
            timeout_s: How long at most.

        Returns:
            Whether one arrived.
        """
        return bool(self._listener.wait(timeout_s))

    def close(self) -> None:
        """Close the connection."""
        self._listener.close()
        self.conn.close()
