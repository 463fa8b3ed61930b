"""Brings alerts to one sink beside the log line: in a thread of its own, with bounded retries from a bounded queue."""

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
"""Alerts that may wait for one sink; what comes when it is full does not reach that sink."""

TRIES: Final = 5
_BACKOFF_S: Final = 1.0
_BACKOFF_MAX_S: Final = 30.0

_log = structlog.get_logger()


class SinkError(Exception):
    """A sink did not take an alert.

    Args:
        message: Why.
        again: Whether it may take it the next time.
    """

    def __init__(self, message: str, *, again: bool = True) -> None:
        super().__init__(message)
        self.again = again


class Sink(Protocol):
    """Where alerts go beside the log line."""

    name: str

    def send(self, alert: Alert) -> None:
        """Deliver one alert, within a bounded time.

        Args:
            alert: The alert.

        Raises:
            SinkError: It did not take it.
        """

    def abort(self) -> None:
        """End what is being sent, from another thread."""


class Courier:
    """Hands alerts to a sink, one after the other, so that nobody else waits for it.

    Args:
        sink: The sink.
        tries: How often an alert is tried.
        backoff_s: The pause after the first failure, then doubled.
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

    def take(self, alert: Alert) -> None:
        """Accept an alert, or say in the log that there is no room for it.

        Args:
            alert: The alert.
        """
        try:
            self._waiting.put_nowait(alert)
        except queue.Full:
            self._give_up(alert, "too many wait for it already")

    def close(self) -> None:
        """Take no more, and end when all that waits is sent."""
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def give_up(self) -> None:
        """Give up what waits, and what is being sent."""
        self._giving_up.set()
        self.close()
        self._sink.abort()

    def ended(self, timeout_s: float) -> bool:
        """Wait for the end.

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
                self._give_up(alert, "the watcher ends")
            else:
                self._send(alert)

    def _send(self, alert: Alert) -> None:
        why = ""
        for attempt in range(1, self._tries + 1):
            try:
                self._sink.send(alert)
            except SinkError as error:
                why, again = str(error), error.again
            except Exception as error:  # noqa: BLE001  a sink that breaks must not take the others along
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
                again_in_s=round(pause_s, 2),
            )
            if self._giving_up.wait(pause_s):
                break
        self._give_up(alert, why)

    def _give_up(self, alert: Alert, why: str) -> None:
        self.failed += 1
        _log.error(log_names.ALERT_SINK_GAVE_UP, sink=self.name, error=why, alert_id=alert.alert_id)
