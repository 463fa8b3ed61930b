"""Figures for Prometheus: how things stand, read when they are asked for, and what was counted since the start."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, EvtrackError
from evtrack.runtime.watch.counting import BOUNDS_S, Counting
from evtrack.storage.database import Connection, connect
from evtrack.storage.figures import Present, present

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator
    from wsgiref.simple_server import WSGIServer

    from prometheus_client.metrics_core import Metric

FRESH_S: Final = 5.0
"""Who asks sooner gets what was read for the last one."""

_STATUSES: Final = {"completed": "done"}
"""Where a view's column is not named as the status."""

_log = structlog.get_logger()


class Figures(Collector):
    """Reads the database when it is asked, at most once in FRESH_S, whoever asks.

    Args:
        dsn: The connection string.
    """

    def __init__(self, *, dsn: str) -> None:
        self._dsn = dsn
        self._lock = Lock()
        self._connection: Connection | None = None
        self._counting = Counting()
        self._present: Present | None = None
        self._read_at = float("-inf")
        self._took_s = 0.0

    def begin(self) -> None:
        """Count from now on.

        Raises:
            EvtrackError: The database does not let us.
        """
        self._read()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def describe(self) -> Iterable[Metric]:
        """Name the figures without reading any.

        Returns:
            Empty families.
        """
        return [*_of_now(None), *_counted(Counting()), *self._own()]

    def collect(self) -> Iterator[Metric]:
        """Read what is due, and return all figures.

        Yields:
            The families; those of the present only while the database answers.
        """
        with self._lock:
            if monotonic() - self._read_at >= FRESH_S:
                try:
                    self._read()
                except EvtrackError as error:
                    self._present, self._read_at = None, monotonic()
                    self._drop()
                    _log.warning(log_names.METRICS_UNREAD, error=str(error))
            yield from _of_now(self._present)
            yield from _counted(self._counting)
            yield from self._own()

    def _read(self) -> None:
        begun = monotonic()
        if self._connection is None:
            self._connection = connect(self._dsn, purpose="metrics")
        self._present = present(self._connection)
        self._counting.catch_up(self._connection)
        self._read_at = monotonic()
        self._took_s = self._read_at - begun

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _own(self) -> Iterator[Metric]:
        yield _gauge(
            "evtrack_database_up", "Whether the last read of the database went well.", self._present is not None
        )
        yield _gauge("evtrack_read_seconds", "How long the last read of the database took.", self._took_s)
        yield _gauge(
            "evtrack_uncounted_transactions", "Transactions below the horizon still to be counted.", self._counting.lag
        )


class MetricsServer:
    """Serves the figures over HTTP, on threads of its own.

    Args:
        dsn: The connection string.
        port: Where to listen; 0 takes a free one.
        host: The address to listen on.
    """

    def __init__(self, *, dsn: str, port: int, host: str) -> None:
        self._figures = Figures(dsn=dsn)
        self._address = (host, port)
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read once, and serve.

        Raises:
            EvtrackError: The database does not let us, or the address is not to be had.
        """
        self._figures.begin()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._figures)
        host, port = self._address
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        except (OSError, OverflowError) as error:
            self._figures.close()
            raise BadArgument(
                f"cannot serve metrics on {host}, port {port}: {error}",
                hint="Choose another --metrics-port or --metrics-host.",
            ) from None
        _log.info(log_names.METRICS_SERVED, host=host, port=self._server.server_port)

    def stop(self) -> None:
        """Stop serving; a second stop does nothing."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None
        self._figures.close()


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, value=float(value))


def _of_now(now: Present | None) -> Iterator[Metric]:
    """Make families of how things stand; empty ones where that is not known."""
    rows = now.handlers if now else []
    items = GaugeMetricFamily("evtrack_items", "Items of the jobs that are kept.", labels=["handler", "status"])
    for status in ("pending", "running", "completed", "failed", "crashed", "cancelled"):
        for row in rows:
            items.add_metric([row["handler"], status], row[_STATUSES.get(status, status)])
    yield items
    batches = GaugeMetricFamily("evtrack_batches", "Batches of the jobs that are kept.", labels=["handler", "status"])
    for status in ("pending", "running", "completed", "failed", "crashed", "split", "cancelled"):
        for row in rows:
            batches.add_metric([row["handler"], status], row[f"batches_{status}"])
    yield batches
    jobs = GaugeMetricFamily("evtrack_waiting_jobs", "Jobs with pending batches, by why.", labels=["handler", "why"])
    oldest = GaugeMetricFamily(
        "evtrack_oldest_pending_seconds", "How long the oldest pending batch waits.", labels=["handler", "why"]
    )
    for row in now.waiting if now else []:
        jobs.add_metric([row["handler"], row["why"]], row["jobs"])
        oldest.add_metric([row["handler"], row["why"]], row["waited_s"])
    yield from (jobs, oldest)
    states: dict[str, dict[str, Any]] = {row["state"]: row for row in now.workers} if now else {}
    workers = GaugeMetricFamily("evtrack_workers", "Workers, neither stopped nor lost.", labels=["state"])
    slots = GaugeMetricFamily("evtrack_slots", "Slots of the workers that are alive.", labels=["state"])
    if now is not None:
        for state in ("alive", "silent"):
            workers.add_metric([state], states.get(state, {}).get("workers", 0))
        alive = states.get("alive", {"slots": 0, "busy": 0})
        slots.add_metric(["busy"], alive["busy"])
        slots.add_metric(["free"], max(0, alive["slots"] - alive["busy"]))
    yield from (workers, slots)
    undelivered = GaugeMetricFamily("evtrack_alerts_undelivered", "Alerts that no watcher has written yet.")
    lag = GaugeMetricFamily("evtrack_alerts_lag_seconds", "How long the oldest of them waits.")
    if now is not None:
        undelivered.add_metric([], now.undelivered)
        lag.add_metric([], now.lag_s)
    yield from (undelivered, lag)


def _counted(counting: Counting) -> Iterator[Metric]:
    """Make families of what was counted."""
    attempts = CounterMetricFamily(
        "evtrack_attempts", "Attempts that ended, since this watcher started.", labels=["handler", "outcome"]
    )
    for labels, count in sorted(counting.attempts.items()):
        attempts.add_metric(labels, count)
    crashes = CounterMetricFamily("evtrack_crashes", "Attempts that crashed, by cause.", labels=["handler", "cause"])
    for labels, count in sorted(counting.crashes.items()):
        crashes.add_metric(labels, count)
    runs = HistogramMetricFamily(
        "evtrack_batch_run_seconds", "How long completed attempts ran in their slot.", labels=["handler"]
    )
    for handler in sorted(counting.run_s):
        total = 0
        buckets: list[tuple[str, float]] = []
        for place, bound in enumerate([*(str(bound) for bound in BOUNDS_S), "+Inf"]):
            total += counting.buckets[handler, place]
            buckets.append((bound, total))
        runs.add_metric([handler], buckets, sum_value=counting.run_s[handler])
    yield from (attempts, crashes, runs)
