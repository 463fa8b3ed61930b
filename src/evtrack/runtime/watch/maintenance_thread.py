"""The watcher's maintenance thread: reaps, finishes jobs and makes partitions as workers do, and checks for alerts."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.database_errors import ReadOnly
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.watch.reconnect import run_reconnecting
from evtrack.storage.monitoring.alert_delivery import give_up_deliveries
from evtrack.storage.monitoring.alert_outbox import check_alerts
from evtrack.storage.queue.job_control import wake_watchers

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.domain.alerts.thresholds import Thresholds
    from evtrack.runtime.maintenance import Maintenance
    from evtrack.storage.connection.connect import Connection

CHECK_S: Final = 10.0
"""How often it checks for alerts that no single event raises."""

_JOIN_S: Final = 15.0

_log = structlog.get_logger()


class MaintenanceThread:
    """Runs the watcher's periodic work on its own connection, so that no alert waits for it.

    Args:
        maintenance: The maintenance that every worker does too.
        thresholds: When to raise alerts about load and waiting.
        on_end: Called when an error ends the thread.
    """

    def __init__(
        self, *, dsn: str, maintenance: Maintenance, thresholds: Thresholds, on_end: Callable[[], None]
    ) -> None:
        self.error: EvtrackError | None = None
        self._dsn, self._maintenance, self._thresholds, self._on_end = dsn, maintenance, thresholds, on_end
        self._check_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evtrack-maintenance", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a second stop does nothing."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def check(self, connection: Connection) -> None:
        """Raise the alerts that no single event raises, and give up deliveries that no watcher can make.

        Args:
            connection: Any connection, outside a transaction.

        Raises:
            TransientError: The connection is lost.
            ReadOnly: The session is read-only; another one may lead to the server that takes writes.
        """
        try:
            if new := check_alerts(connection, self._thresholds):
                wake_watchers(connection)
                _log.info(log_names.ALERTS_RAISED, alerts=new)
            for sink, alerts in give_up_deliveries(connection).items():
                _log.error(
                    log_names.ALERT_SINK_GAVE_UP,
                    sink=sink.partition(":")[0],
                    target=sink,
                    error="no running watcher has this sink",
                    alerts=alerts,
                )
        except EvtrackError as error:
            if error.connection_lost or isinstance(error, ReadOnly):
                raise
            # The next check makes up for it.
            _log.warning(log_names.ALERT_CHECK_FAILED, error=str(error))

    def _run(self) -> None:
        try:
            run_reconnecting(self._dsn, self._live, purpose="watcher's maintenance", stopping=self._stopping)
        except EvtrackError as error:
            self.error = error
            self._on_end()

    def _live(self, connection: Connection, works: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            now = monotonic()
            self._maintenance.run_due(connection, now)
            if now >= self._check_at:
                self._check_at = now + CHECK_S
                self.check(connection)
            if not self._maintenance.is_failing:
                works()
            self._stopping.wait(self._maintenance.due_in_s(monotonic()))
