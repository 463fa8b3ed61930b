"""Delivers alerts to one sink: in its own thread, from a bounded queue, with bounded retries."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from evtrack.domain import log_names
from evtrack.runtime.backoff import backoff_s as pause_after

if TYPE_CHECKING:
    from evtrack.domain.alerts import Alert

QUEUE: Final = 1000
"""How many alerts may wait for one sink; when the queue is full, further alerts do not reach that sink."""

TRIES: Final = 5
_BACKOFF_S: Final = 1.0
_BACKOFF_MAX_S: Final = 30.0

_log = structlog.get_logger()


class SinkError(Exception):
    """A sink did not accept an alert.

    Args:
        message: Why.
        again: Whether a retry may succeed.
    """

    def __init__(self, message: str, *, again: bool = True) -> None:
        super().__init__(message)
        self.again = again


class Sink(Protocol):
    """A destination of alerts besides the log."""

    name: str

    def send(self, alert: Alert) -> None:
        """Deliver one alert, within a bounded time.

        Raises:
            SinkError: The sink did not accept it.
        """

    def abort(self) -> None:
        """Abort the delivery in progress; called from another thread."""


class SinkThread:
    """Sends alerts to a sink one by one, so that nothing else waits for the sink.

    Args:
        tries: How often each alert is tried.
        backoff_s: The pause after the first failure; each further one is twice as long.
        size: How many alerts may wait.
    """

    def __init__(self, sink: Sink, *, tries: int = TRIES, backoff_s: float = _BACKOFF_S, size: int = QUEUE) -> None:
        self.sent = self.failed = 0
        self._sink, self._tries, self._backoff_s = sink, tries, backoff_s
        self._waiting: queue.Queue[Alert | None] = queue.Queue(size)
        self._closing, self._giving_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"evtrack-{sink.name}", daemon=True)

    @property
    def name(self) -> str:
        """The sink's name."""
        return self._sink.name

    @property
    def waiting(self) -> int:
        """How many alerts wait for the sink."""
        return self._waiting.qsize()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def enqueue(self, alert: Alert) -> None:
        """Queue an alert, or log that the queue is full."""
        try:
            self._waiting.put_nowait(alert)
        except queue.Full:
            self._give_up(alert, "its queue is full")

    def close(self) -> None:
        """Accept no more alerts, and end once the queue is sent."""
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def give_up(self) -> None:
        """Give up the queued alerts and the one being sent."""
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
        while not (self._closing.is_set() and self._waiting.empty()):
            alert = self._waiting.get()
            if alert is None:
                continue
            if self._giving_up.is_set():
                self._give_up(alert, "the watcher is stopping")
            else:
                self._send(alert)

    def _send(self, alert: Alert) -> None:
        why = ""
        for attempt in range(1, self._tries + 1):
            try:
                self._sink.send(alert)
            except SinkError as error:
                why, again = str(error), error.again
            except Exception as error:  # noqa: BLE001  a broken sink must not stop the others
                why, again = f"{type(error).__name__}: {error}", True
            else:
                self.sent += 1
                return
            if not again or attempt == self._tries:
                break
            pause_s = pause_after(attempt, first_s=self._backoff_s, longest_s=_BACKOFF_MAX_S)
            _log.warning(
                log_names.ALERT_SINK_FAILED,
                sink=self.name,
                error=why,
                alert_id=alert.alert_id,
                attempt=attempt,
                retry_in_s=round(pause_s, 2),
            )
            if self._giving_up.wait(pause_s):
                break
        self._give_up(alert, why)

    def _give_up(self, alert: Alert, why: str) -> None:
        self.failed += 1
        _log.error(log_names.ALERT_SINK_GAVE_UP, sink=self.name, error=why, alert_id=alert.alert_id)
