"""The watcher: takes alerts from the outbox, has them written, marks them; each once, by one of any number."""

from __future__ import annotations

import math
import os
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument
from evtrack.runtime.maintenance import GRACE_S, LEASE_S, Upkeep
from evtrack.runtime.wake import Wake
from evtrack.runtime.watch.delivery import Courier
from evtrack.runtime.watch.maintenance_thread import Tender
from evtrack.runtime.watch.reconnect import persist
from evtrack.storage.connection.connect import behind_pooler, connect
from evtrack.storage.connection.listener import ALERTS, Listener
from evtrack.storage.monitoring.alert_outbox import Thresholds, deliver
from evtrack.storage.queue.workers import bound_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evtrack.domain.alerts import Alert
    from evtrack.runtime.watch.delivery import Sink
    from evtrack.storage.connection.connect import Connection

POLL_S: Final = 1.0
"""How often it looks without having been woken."""

SINK_GRACE_S: Final = 10.0
"""How long a watcher that ends lets its sinks take what waits for them."""

_LOOK_S: Final = 0.1
_ABORT_S: Final = 2.0

_log = structlog.get_logger()


class Watcher:
    """Delivers alerts until it is told to stop.

    Args:
        dsn: The connection string.
        write: Writes one alert; only when it returns does the alert count as delivered.
        sinks: Where alerts go besides, as well as that can be done.
        thresholds: What is too much, or too long.
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
        sinks: Sequence[Sink] = (),
        thresholds: Thresholds | None = None,
        name: str = "",
        poll_s: float = POLL_S,
        grace_s: float = GRACE_S,
        lease_s: float = LEASE_S,
    ) -> None:
        if poll_s <= 0:
            raise BadArgument(f"poll_s must be above 0, got {poll_s}")
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.couriers = [Courier(sink) for sink in sinks]
        self.delivered: Counter[str] = Counter()
        self._dsn, self._write, self._poll_s = dsn, write, poll_s
        self._written: set[int] = set()
        self._stops = 0
        self._stopping = threading.Event()
        self._wake = Wake()
        self._upkeep = Upkeep(grace_s=grace_s, lease_s=lease_s)
        self._tender = Tender(dsn=dsn, upkeep=self._upkeep, thresholds=thresholds or Thresholds(), on_end=self.stop)

    def run(self) -> None:
        """Deliver what is there, then what comes.

        Raises:
            EvtrackError: It cannot go on.
        """
        self._tender.start()
        try:
            with self._sending():
                persist(self._dsn, self._live, purpose="watcher", stopping=self._stopping)
        finally:
            self._stopping.set()
            self._tender.stop()
        if self._tender.error is not None:
            raise self._tender.error

    def once(self) -> None:
        """Do what is due, deliver what is there, and leave.

        Raises:
            EvtrackError: That cannot be done.
        """
        with self._sending(), connect(self._dsn, purpose="watcher") as connection:
            bound_waits(connection)
            self._upkeep.tend(connection, math.inf)
            self._tender.check(connection)
            while not self._stopping.is_set() and self._deliver(connection):
                pass

    def stop(self) -> None:
        """Mark what is written, let the sinks have what waits for them, and end; a second time: at once.

        Safe in a signal handler.
        """
        self._stops += 1
        self._stopping.set()
        self._wake.set()

    def _live(self, connection: Connection) -> None:
        pooled = behind_pooler(connection)
        # Listening first: what commits after the last look is then heard of.
        listener = Listener(connection=connection, channel=None if pooled else ALERTS, waker=self._wake.socket)
        _log.info(log_names.WATCHING, watcher=self.name, by="polling" if pooled else "listening", poll_s=self._poll_s)
        if pooled:
            _log.warning(
                log_names.NOTIFICATIONS_UNUSABLE,
                hint=f"behind a pooler no wake-up arrives: alerts are told within {self._poll_s:g} s; a direct --dsn is"
                " better",
            )
        try:
            while not self._stopping.is_set():
                if not self._deliver(connection):
                    listener.wait(self._poll_s)
        finally:
            listener.close()

    def _deliver(self, connection: Connection) -> bool:
        alerts = deliver(connection, who=self.name, write=self._tell)
        if alerts:
            self._written.difference_update(alert.alert_id for alert in alerts)
        else:
            # What is left of it is marked by another, or in its hands.
            self._written.clear()
        self.delivered.update(alert.event for alert in alerts)
        for courier in self.couriers:
            for alert in alerts:
                courier.take(alert)
        return bool(alerts)

    def _tell(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            # Written before a commit that failed: it only lacks its mark.
            if alert.alert_id not in self._written:
                self._write(alert)
                self._written.add(alert.alert_id)

    @contextmanager
    def _sending(self) -> Iterator[None]:
        for courier in self.couriers:
            courier.start()
        try:
            yield
        finally:
            for courier in self.couriers:
                courier.close()
            deadline = monotonic() + SINK_GRACE_S
            while not all(courier.ended(_LOOK_S) for courier in self.couriers):
                if monotonic() > deadline or self._stops > 1:
                    for courier in self.couriers:
                        courier.give_up()
                if monotonic() > deadline + _ABORT_S:
                    break
