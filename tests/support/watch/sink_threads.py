"""A sink that fails when a test wants it to, the thread that delivers to it, and alerts for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from client import Client
from evtrack.domain.alerts.alert import Alert
from evtrack.runtime.watch.sink import Sink, SinkError
from evtrack.runtime.watch.sink_thread import SinkThread
from evtrack.storage.connection.connect import Connection

_subjects = count()


class Moody:
    """A sink that fails when the test wants it to."""

    name = "moody"
    label = "moody:here:0"
    limit_s = 1.0

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.sent: list[int] = []
        self.attempts: list[int] = []
        self.at_once = self.most_at_once = 0
        self.gate, self.aborted = threading.Event(), threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def send(self, alert: Alert) -> None:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.attempts.append(alert.alert_id)
        try:
            while not self.gate.wait(0.01):
                if self.aborted.is_set():
                    raise SinkError("aborted")
            with self._lock:
                if self.failures and (failure := self.failures.pop(0)) is not None:
                    raise failure
                self.sent.append(alert.alert_id)
        finally:
            with self._lock:
                self.at_once -= 1

    def abort(self) -> None:
        self.aborted.set()


def raised(conn: Connection, number: int = 1) -> list[int]:
    """Raise alerts, and mark them as delivered to the log, as any watcher does."""
    client = Client(conn)
    for _ in range(number):
        client.one("SELECT evtrack.raise_alert('batch_failed', %s, '', 'error', '{}')", f"{next(_subjects)}")
    ids = client.one("SELECT array_agg(alert_id ORDER BY alert_id) FROM evtrack.alert WHERE delivered_at IS NULL")
    client.one("SELECT evtrack.mark_alerts(%s::bigint[], 'any')", ids)
    return list(ids)


def states(conn: Connection) -> list[tuple[str, int, str | None]]:
    """Return (state, attempts, error) of each delivery."""
    rows = Client(conn).rows("SELECT * FROM evtrack.alert_delivery ORDER BY alert_id, sink")
    return [(row["state"], row["attempts"], row["error"]) for row in rows]


@contextmanager
def delivering(sink: Sink, dsn: str, **options: Any) -> Iterator[SinkThread]:
    """Run a thread for the sink."""
    thread = SinkThread(sink, dsn=dsn, who="w", **{"poll_s": 0.01, "backoff_s": 0.01, **options})
    thread.start()
    try:
        yield thread
    finally:
        thread.give_up()
        assert thread.join(10)
