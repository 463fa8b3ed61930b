"""The watcher: takes alerts from the outbox, has them written, marks them; each once, by one of any number."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument
from evtrack.runtime.upkeep import GRACE_S, LEASE_S, Upkeep
from evtrack.runtime.wake import Wake
from evtrack.runtime.watch.persistence import persist
from evtrack.runtime.watch.tender import Tender
from evtrack.storage.alerts import deliver
from evtrack.storage.listener import ALERTS, Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evtrack.domain.alerts import Alert
    from evtrack.storage.database import Connection

POLL_S: Final = 1.0
"""How often it looks without having been woken."""

_log = structlog.get_logger()


class Watcher:
    """Delivers alerts until it is told to stop.

    Args:
        dsn: The connection string.
        write: Writes one alert; only when it returns does the alert count as delivered.
        name: What people call it; empty for host and process.
        poll_s: How often it looks without having been woken.
        grace_s: How long any worker counts as alive without its session.
        lease_s: How long any worker counts as alive without a heartbeat.
    """

    def __init__(
        self,
        *,
        dsn: str,
        write: Callable[[Alert], None],
        name: str = "",
        poll_s: float = POLL_S,
        grace_s: float = GRACE_S,
        lease_s: float = LEASE_S,
    ) -> None:
        if poll_s <= 0:
            raise BadArgument(f"poll_s must be above 0, got {poll_s}")
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._dsn, self._write, self._poll_s = dsn, write, poll_s
        self._written: set[int] = set()
        self._stopping = threading.Event()
        self._wake = Wake()
        self._tender = Tender(dsn=dsn, upkeep=Upkeep(grace_s=grace_s, lease_s=lease_s), on_end=self.stop)

    def run(self) -> None:
        """Deliver what is there, then what comes.

        Raises:
            EvtrackError: It cannot go on.
        """
        self._tender.start()
        try:
            persist(self._dsn, self._live, purpose="watcher", stopping=self._stopping)
        finally:
            self.stop()
            self._tender.stop()
        if self._tender.error is not None:
            raise self._tender.error

    def stop(self) -> None:
        """Mark what is written, and end. Safe in a signal handler."""
        self._stopping.set()
        self._wake.set()

    def _live(self, connection: Connection) -> None:
        # Listening first: what commits after the last look is then heard of.
        listener = Listener(connection=connection, channel=ALERTS, waker=self._wake.socket)
        _log.info(log_names.WATCHING, watcher=self.name)
        try:
            while not self._stopping.is_set():
                if not deliver(connection, who=self.name, write=self._tell):
                    self._written.clear()
                    listener.wait(self._poll_s)
        finally:
            listener.close()

    def _tell(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            # Written before a commit that failed: it only lacks its mark.
            if alert.alert_id not in self._written:
                self._write(alert)
                self._written.add(alert.alert_id)
