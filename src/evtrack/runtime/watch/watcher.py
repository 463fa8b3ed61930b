"""The watcher: takes alerts from the outbox, writes them and marks them delivered; any number may run at once."""

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
from evtrack.domain.alerts.thresholds import Thresholds
from evtrack.domain.errors import BadArgument
from evtrack.domain.text import storable
from evtrack.runtime.maintenance import GRACE_S, LEASE_S, REAP_S, Maintenance
from evtrack.runtime.slot.leftovers import Zombies
from evtrack.runtime.waker import Waker
from evtrack.runtime.watch.maintenance_thread import MaintenanceThread
from evtrack.runtime.watch.reconnect import run_reconnecting
from evtrack.runtime.watch.sink_thread import KEEP_TRYING_S, SinkThread
from evtrack.storage.connection.connect import behind_pooler, connect
from evtrack.storage.connection.listener import ALERTS, Listener
from evtrack.storage.monitoring.alert_outbox import deliver
from evtrack.storage.queue.workers import bound_waits
from evtrack.storage.reports.worker_reports import live_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evtrack.domain.alerts.alert import Alert
    from evtrack.runtime.watch.sink import Sink
    from evtrack.storage.connection.connect import Connection

POLL_S: Final = 1.0
"""How often it polls when no notification arrives."""

SINK_GRACE_S: Final = 10.0
"""How long a stopping watcher waits for its sinks to take what is due for them; the rest waits for the next watcher."""

_NAME_LIMIT: Final = 200
_JOIN_S: Final = 0.1
_LAST_LOOK_S: Final = 5.0
_ABORT_S: Final = 2.0

_log = structlog.get_logger()


class Watcher:
    """Delivers alerts until it is stopped.

    Args:
        write: Writes one alert; only when it returns does the alert count as delivered.
        sinks: Where alerts go in addition, each at least once.
        keep_trying_s: For how long a delivery to a sink is tried again when it fails.
        thresholds: When to raise alerts about load and waiting.
        web_url: Where `evtrack web` is found, for links in alerts; None for no links.
        name: Its name in logs and in the outbox; empty for host and process id.
        poll_s: How often it polls when no notification arrives.
        grace_s: How long any worker counts as alive without its session.
        lease_s: How long any worker counts as alive without a heartbeat.
    """

    def __init__(
        self,
        *,
        dsn: str,
        write: Callable[[Alert], None],
        sinks: Sequence[Sink] = (),
        keep_trying_s: float = KEEP_TRYING_S,
        thresholds: Thresholds | None = None,
        web_url: str | None = None,
        name: str = "",
        poll_s: float = POLL_S,
        grace_s: float = GRACE_S,
        lease_s: float = LEASE_S,
    ) -> None:
        if poll_s <= 0:
            raise BadArgument(f"poll_s must be above 0, got {poll_s}")
        self.name = storable(name or f"{socket.gethostname()}:{os.getpid()}", _NAME_LIMIT)
        self.sinks = [
            SinkThread(sink, dsn=dsn, who=self.name, keep_trying_s=keep_trying_s, web_url=web_url, on_end=self.stop)
            for sink in sinks
        ]
        self.delivered: Counter[str] = Counter()
        self._dsn, self._write, self._poll_s, self._web_url = dsn, write, poll_s, web_url
        self._written: set[int] = set()
        self._zombies = Zombies()
        self._stops = 0
        self._stopping = threading.Event()
        self._wake = Waker()
        self._lease_s = lease_s
        self._duties = Maintenance(grace_s=grace_s, lease_s=lease_s)
        self._maintenance = MaintenanceThread(
            dsn=dsn, maintenance=self._duties, thresholds=thresholds or Thresholds(), on_end=self.stop
        )

    def run(self) -> None:
        """Deliver the alerts that wait, then those that arrive.

        Raises:
            EvtrackError: It cannot go on.
        """
        self._maintenance.start()
        try:
            with self._sinks_running():
                run_reconnecting(self._dsn, self._live, purpose="watcher", stopping=self._stopping)
        finally:
            self._stopping.set()
            self._maintenance.stop()
        self._raise_errors()

    def once(self) -> None:
        """Do what is due, deliver the alerts that wait, and return.

        Raises:
            EvtrackError: The database refuses.
        """
        with self._sinks_running(), connect(self._dsn, purpose="watcher") as connection:
            bound_waits(connection)
            self._register_sinks(connection)
            self._maintain_once(connection)
            self._maintenance.check(connection)
            while not self._stopping.is_set() and self._deliver(connection):
                pass
        self._raise_errors()

    def stop(self) -> None:
        """Stop after marking what is written and trying what is due for the sinks; a second call stops at once.

        Safe in a signal handler.
        """
        self._stops += 1
        self._stopping.set()
        self._wake.set()

    def _raise_errors(self) -> None:
        for error in (self._maintenance.error, *(sink.error for sink in self.sinks)):
            if error is not None:
                raise error

    def _maintain_once(self, connection: Connection) -> None:
        # A single look at a silent worker proves nothing, because the clock may have stepped since the last one: if no
        # other process looks every second, this one does until the worker is lost or alive.
        give_up_at = monotonic() + self._lease_s + _LAST_LOOK_S
        while True:
            self._duties.run_due(connection, math.inf)
            silent = any(worker.silent_s > self._lease_s / 2 for worker in live_workers(connection))
            if not silent or monotonic() > give_up_at or self._stopping.wait(REAP_S):
                return

    def _live(self, connection: Connection, works: Callable[[], None]) -> None:
        self._register_sinks(connection)
        pooled = behind_pooler(connection)
        # Listen first, so that what commits after the last poll sends a notification.
        listener = Listener(connection=connection, channel=None if pooled else ALERTS, waker=self._wake.socket)
        try:
            has_more = self._deliver(connection)
            works()
            self._announce(pooled=pooled)
            while not self._stopping.is_set():
                if not has_more:
                    listener.wait(self._poll_s)
                has_more = self._deliver(connection)
                # Of what a sink's program has left, where the watcher is the first process of a container.
                self._zombies.reap(monotonic())
        finally:
            listener.close()

    def _announce(self, *, pooled: bool) -> None:
        _log.info(
            log_names.WATCHER_STARTED, watcher=self.name, by="polling" if pooled else "listening", poll_s=self._poll_s
        )
        if pooled:
            _log.warning(
                log_names.NOTIFICATIONS_UNAVAILABLE,
                hint=f"behind a pooler no wake-up arrives: alerts arrive within {self._poll_s:g} s; use a direct --dsn",
            )

    def _deliver(self, connection: Connection) -> bool:
        alerts = deliver(connection, who=self.name, write=self._write_new)
        if alerts:
            self._written.difference_update(alert.alert_id for alert in alerts)
        else:
            # Another watcher has marked the rest, or is about to.
            self._written.clear()
        self.delivered.update(alert.event for alert in alerts)
        if alerts:
            for sink in self.sinks:
                sink.wake()
        return bool(alerts)

    def _register_sinks(self, connection: Connection) -> None:
        # Before any alert is marked, because marking queues it for the sinks that are known.
        for sink in self.sinks:
            sink.register(connection)

    def _write_new(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            # Already written if the commit that should have marked it failed.
            if alert.alert_id not in self._written:
                self._write(alert.linked(self._web_url))
                self._written.add(alert.alert_id)

    @contextmanager
    def _sinks_running(self) -> Iterator[None]:
        for sink in self.sinks:
            sink.start()
        try:
            yield
        finally:
            for sink in self.sinks:
                sink.close()
            deadline = monotonic() + SINK_GRACE_S
            while not all(sink.join(_JOIN_S) for sink in self.sinks):
                if monotonic() > deadline or self._stops > 1:
                    for sink in self.sinks:
                        sink.give_up()
                if monotonic() > deadline + _ABORT_S:
                    break
