"""Delivers alerts to one sink, in its own thread and on its own connection, so that nothing else waits for the sink."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.domain.text import storable
from evtrack.runtime.backoff import backoff_s as pause_after
from evtrack.runtime.watch.reconnect import run_reconnecting
from evtrack.runtime.watch.sink import SinkError
from evtrack.storage.monitoring.alert_delivery import GAVE_UP, Failure, end_delivery, register_sink, take_delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.domain.alerts.alert import Alert
    from evtrack.runtime.watch.sink import Sink
    from evtrack.storage.connection.connect import Connection

KEEP_TRYING_S: Final = 86_400.0
"""For how long a delivery that fails is tried again."""

POLL_S: Final = 1.0
_REGISTER_S: Final = 30.0
_ERROR_LIMIT: Final = 500
_MARGIN_S: Final = 5.0
"""How much longer than a delivery its lease is: time to take and record it."""
_BACKOFF_S: Final = 0.5
_BACKOFF_MAX_S: Final = 300.0
_REST_MAX_S: Final = 30.0
"""How long at most a sink that failed is left alone, whatever waits for it."""

_log = structlog.get_logger()


class _Outcome(NamedTuple):
    alert: Alert
    attempt: int
    failure: Failure | None


class SinkThread:
    """Sends the alerts that are due for a sink, one by one, and records how each attempt ended.

    What to deliver is in the database, so that a killed watcher loses nothing: another one that has the sink goes on.

    Args:
        who: The watcher's name.
        keep_trying_s: For how long a delivery that fails is tried again.
        web_url: Where `evtrack web` is found, for links in alerts; None for no links.
        poll_s: How often to look for deliveries that are due.
        backoff_s: The pause after the first failure of a delivery; each further one is up to twice as long.
        on_end: Called when an error ends the thread.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        dsn: str,
        who: str,
        keep_trying_s: float = KEEP_TRYING_S,
        web_url: str | None = None,
        poll_s: float = POLL_S,
        backoff_s: float = _BACKOFF_S,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.sent = self.failed = 0
        self.error: EvtrackError | None = None
        self._sink, self._dsn, self._who, self._on_end = sink, dsn, who, on_end
        self._keep_trying_s, self._poll_s, self._backoff_s = keep_trying_s, poll_s, backoff_s
        self._lease_s = sink.limit_s + _MARGIN_S
        self._web_url = web_url
        self._outcome: _Outcome | None = None
        self._register_at = 0.0
        self._failures = 0
        self._rest_until = 0.0
        self._wake, self._closing, self._giving_up = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"evtrack-{sink.name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def register(self, connection: Connection) -> None:
        """Record that this watcher has the sink: alerts that are marked from now on are delivered to it too.

        Args:
            connection: Any connection, outside a transaction.
        """
        register_sink(connection, self._sink.label, keep_trying_s=self._keep_trying_s)

    def wake(self) -> None:
        """Look at once for deliveries that are due."""
        self._wake.set()

    def close(self) -> None:
        """End once all that is due has been tried."""
        self._closing.set()
        self._wake.set()

    def give_up(self) -> None:
        """Abort the delivery in progress, which stays due, and end."""
        self._giving_up.set()
        self.close()
        self._sink.abort()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end.

        Args:
            timeout_s: How long.

        Returns:
            Whether it has ended.
        """
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            run_reconnecting(self._dsn, self._live, purpose=f"{self._sink.name} sink", stopping=self._giving_up)
        except EvtrackError as error:
            self.error = error
            self._on_end()

    def _live(self, connection: Connection, works: Callable[[], None]) -> None:
        # What the connection before it missed.
        self._register_at = 0.0
        while True:
            self._record(connection)
            if self._giving_up.is_set():
                return
            now = monotonic()
            if now >= self._register_at:
                self.register(connection)
                self._register_at = now + _REGISTER_S
                works()
            if now < self._rest_until and not self._closing.is_set():
                self._wait(self._rest_until - now)
            elif not self._deliver_one(connection):
                if self._closing.is_set():
                    return
                self._wait(self._poll_s)

    def _wait(self, pause_s: float) -> None:
        # In pieces, so that the sink stays registered.
        self._wake.wait(min(pause_s, _REGISTER_S))
        if not self._closing.is_set():
            self._wake.clear()

    def _deliver_one(self, connection: Connection) -> bool:
        label = self._sink.label
        taken = take_delivery(connection, label, who=self._who, lease_s=self._lease_s)
        if taken is None:
            return False
        alert = taken.alert().linked(self._web_url)
        failure = self._send(alert, taken.attempt)
        self._outcome = _Outcome(alert, taken.attempt, failure)
        self._failures = self._failures + 1 if failure else 0
        # What waits for a sink that is down is not tried one by one.
        rest_s = pause_after(self._failures, first_s=self._backoff_s, longest_s=_REST_MAX_S) if failure else 0.0
        self._rest_until = monotonic() + rest_s
        return True

    def _send(self, alert: Alert, attempt: int) -> Failure | None:
        asked_s, final = 0.0, False
        try:
            self._sink.send(alert)
        except SinkError as error:
            why, asked_s, final = str(error), error.retry_after_s, error.final
        except Exception as error:  # noqa: BLE001  a broken sink must not stop the others
            why = f"{type(error).__name__}: {error}"
        else:
            return None
        # It may hold whatever the receiver answered.
        why = storable(why, _ERROR_LIMIT)
        if self._giving_up.is_set():
            return Failure(f"the watcher stopped: {why}", 0.0)
        pause_s = pause_after(attempt, first_s=self._backoff_s, longest_s=_BACKOFF_MAX_S)
        return Failure(why, max(pause_s, asked_s), final)

    def _record(self, connection: Connection) -> None:
        """Record how the last attempt ended; it is kept until the database has it."""
        if self._outcome is None:
            return
        alert, attempt, failure = self._outcome
        try:
            state = self._end(connection, self._outcome)
        except EvtrackError as error:
            if error.is_passing:
                raise
            # It is due again when its lease is over, and no other delivery waits for it.
            why = f"the end of the attempt could not be recorded: {error.message}"
            state, failure = None, Failure(storable(why, _ERROR_LIMIT), self._lease_s)
        self._outcome = None
        if failure is None:
            self.sent += 1
            return
        facts = {
            "sink": self._sink.name,
            "target": self._sink.label,
            "error": failure.error,
            "alert_id": alert.alert_id,
            "attempt": attempt,
        }
        if state == GAVE_UP:
            self.failed += 1
            _log.error(log_names.ALERT_SINK_GAVE_UP, **facts, alerts=self.failed)
        else:
            _log.warning(log_names.ALERT_SINK_FAILED, **facts, retry_in_s=round(failure.retry_in_s, 2))

    def _end(self, connection: Connection, outcome: _Outcome) -> str | None:
        alert, attempt, failure = outcome
        try:
            return end_delivery(connection, self._sink.label, alert, attempt, failure)
        except EvtrackError as error:
            if error.is_passing or failure is None:
                raise
        # A database whose encoding is not UTF8 has no place for some characters.
        plain = failure._replace(error=ascii(failure.error))
        return end_delivery(connection, self._sink.label, alert, attempt, plain)
