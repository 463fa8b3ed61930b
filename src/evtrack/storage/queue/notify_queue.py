"""The server's queue of notifications, which all of its databases share: how full it is, and who keeps it full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.storage.connection.query import rows

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection

QUEUE_FULL: Final = "54000"
"""The SQLSTATE of a NOTIFY while the queue is full."""

MAX_USED: Final = 0.5
"""From how full a queue is reported."""


@dataclass(frozen=True, slots=True)
class NotifyQueue:
    """How full the queue is, and the session with the oldest transaction that may keep it full.

    Args:
        used: From 0 to 1.
        pid: The session's process; None if this role cannot see any.
        application: Its application.
        open_s: For how many seconds its transaction has been open.
    """

    used: float
    pid: int | None
    application: str
    open_s: float


def notify_queue(conn: Connection) -> NotifyQueue:
    """Read how full the queue is, and empty it of what nobody waits for any more."""
    return rows(conn, NotifyQueue, "notify_queue")[0]
