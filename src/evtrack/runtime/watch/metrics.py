"""Metrics for Prometheus: gauges read from the views at each scrape, and counters since the watcher's start."""

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
from evtrack.runtime.watch.attempt_counter import BOUNDS_S, AttemptCounter
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.patience import ANSWER_S
from evtrack.storage.monitoring.metrics import CurrentFigures, current_figures

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator
    from wsgiref.simple_server import WSGIServer

    from prometheus_client.metrics_core import Metric

FRESH_S: Final = 5.0
"""A scrape within this time of the last read gets the same values."""

_STATUSES: Final = {"completed": "done"}
"""The view's column for a status, where their names differ."""

_log = structlog.get_logger()


class DatabaseMetrics(Collector):
    """Reads the database at a scrape, at most once every FRESH_S."""

    def __init__(self, *, dsn: str) -> None:
        self._dsn = dsn
        self._lock = Lock()
        self._connection: Connection | None = None
        self._counter = AttemptCounter()
        self._present: CurrentFigures | None = None
        self._read_at = float("-inf")
        self._took_s = 0.0

    def begin(self) -> None:
        """Count from now on.

        Raises:
            EvtrackError: The database cannot be read.
        """
        self._read()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def describe(self) -> Iterable[Metric]:
        """Describe the metrics without reading any.

        Returns:
            Empty families.
        """
        return [*_of_now(None), *_counted(AttemptCounter()), *self._own()]

    def collect(self) -> Iterator[Metric]:
        """Read what is due, and return all metrics.

        Yields:
            The families; gauges of the database's state only while it answers.
        """
        with self._lock:
            if monotonic() - self._read_at >= FRESH_S:
                try:
                    self._read()
                except EvtrackError as error:
                    self._present, self._read_at = None, monotonic()
                    self._drop()
                    _log.warning(log_names.METRICS_READ_FAILED, error=str(error))
            yield from _of_now(self._present)
            yield from _counted(self._counter)
            yield from self._own()

    def _read(self) -> None:
        begun = monotonic()
        if self._connection is None:
            self._connection = connect(self._dsn, purpose="metrics", answer_s=ANSWER_S)
        self._present = current_figures(self._connection)
        self._counter.catch_up(self._connection)
        self._read_at = monotonic()
        self._took_s = self._read_at - begun

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _own(self) -> Iterator[Metric]:
        yield _gauge(
            "evtrack_database_up", "1 if the last read of the database succeeded, else 0.", self._present is not None
        )
        yield _gauge("evtrack_read_seconds", "How long the last read of the database took.", self._took_s)
        yield _gauge(
            "evtrack_uncounted_transactions",
            "Transactions that have ended and are not yet counted.",
            self._counter.lag,
        )


class MetricsServer:
    """Serves the metrics over HTTP, on its own threads.

    Args:
        port: The port to listen on; 0 picks a free one.
        host: The address to listen on.
    """

    def __init__(self, *, dsn: str, port: int, host: str) -> None:
        self._metrics = DatabaseMetrics(dsn=dsn)
        self._address = (host, port)
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read once, then start to serve.

        Raises:
            EvtrackError: The database cannot be read, or the address cannot be bound.
        """
        self._metrics.begin()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._metrics)
        host, port = self._address
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        except (OSError, OverflowError) as error:
            self._metrics.close()
            raise BadArgument(
                f"cannot serve metrics on {host}, port {port}: {error}",
                hint="Choose another --metrics-port or --metrics-host.",
            ) from None
        _log.info(log_names.METRICS_SERVER_STARTED, host=host, port=self._server.server_port)

    def stop(self) -> None:
        """Stop serving; a second stop does nothing."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None
        self._metrics.close()


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=float(value))


def _of_now(now: CurrentFigures | None) -> Iterator[Metric]:
    """Make the gauges of the database's state; without samples while it is unknown."""
    rows = now.handlers if now else []
    items = GaugeMetricFamily(
        "evtrack_items", "Items of all jobs that cleanup has not dropped.", labels=["handler", "status"]
    )
    for status in ("pending", "running", "completed", "failed", "crashed", "cancelled"):
        for row in rows:
            items.add_metric([row["handler"], status], row[_STATUSES.get(status, status)])
    yield items
    batches = GaugeMetricFamily(
        "evtrack_batches", "Batches of all jobs that cleanup has not dropped.", labels=["handler", "status"]
    )
    for status in ("pending", "running", "completed", "failed", "crashed", "split", "cancelled"):
        for row in rows:
            batches.add_metric([row["handler"], status], row[f"batches_{status}"])
    yield batches
    jobs = GaugeMetricFamily(
        "evtrack_waiting_jobs", "Jobs with pending batches, by the reason why they wait.", labels=["handler", "why"]
    )
    oldest = GaugeMetricFamily(
        "evtrack_oldest_pending_seconds", "How long the oldest pending batch has waited.", labels=["handler", "why"]
    )
    for row in now.waiting if now else []:
        jobs.add_metric([row["handler"], row["why"]], row["jobs"])
        oldest.add_metric([row["handler"], row["why"]], row["waited_s"])
    yield from (jobs, oldest)
    states: dict[str, dict[str, Any]] = {row["state"]: row for row in now.workers} if now else {}
    workers = GaugeMetricFamily("evtrack_workers", "Workers that are neither stopped nor lost.", labels=["state"])
    slots = GaugeMetricFamily("evtrack_slots", "Slots of live workers.", labels=["state"])
    if now is not None:
        for state in ("alive", "silent"):
            workers.add_metric([state], states.get(state, {}).get("workers", 0))
        alive = states.get("alive", {"slots": 0, "busy": 0})
        slots.add_metric(["busy"], alive["busy"])
        slots.add_metric(["free"], max(0, alive["slots"] - alive["busy"]))
    yield from (workers, slots)
    longest = GaugeMetricFamily(
        "evtrack_longest_in_hand_seconds",
        "How long the item, or whole batch, that a slot has in hand has been running, the longest per handler.",
        labels=["handler"],
    )
    for row in now.in_hand if now else []:
        longest.add_metric([row["handler"]], row["longest_s"])
    yield longest
    yield from _of_alerts(now)


def _of_alerts(now: CurrentFigures | None) -> Iterator[Metric]:
    """Make the gauges of what has not been delivered."""
    undelivered = GaugeMetricFamily("evtrack_alerts_undelivered", "Alerts that no watcher has delivered yet.")
    lag = GaugeMetricFamily("evtrack_alerts_lag_seconds", "How long the oldest undelivered alert has waited.")
    if now is not None:
        undelivered.add_metric([], now.alerts.undelivered)
        lag.add_metric([], now.alerts.lag_s)
    yield from (undelivered, lag)
    deliveries = GaugeMetricFamily(
        "evtrack_sink_deliveries",
        "Deliveries of alerts to a sink that are pending, or were given up in the last day.",
        labels=["sink", "state"],
    )
    sink_lag = GaugeMetricFamily(
        "evtrack_sink_lag_seconds", "How long the oldest pending delivery to a sink has waited.", labels=["sink"]
    )
    for sink in now.sinks if now else []:
        deliveries.add_metric([sink.sink, "pending"], sink.pending)
        deliveries.add_metric([sink.sink, "given_up"], sink.gave_up)
        sink_lag.add_metric([sink.sink], sink.lag_s)
    yield from (deliveries, sink_lag)


def _counted(counter: AttemptCounter) -> Iterator[Metric]:
    """Make the counters and the histogram."""
    attempts = CounterMetricFamily(
        "evtrack_attempts", "Attempts that ended since this watcher started, by outcome.", labels=["handler", "outcome"]
    )
    for labels, count in sorted(counter.attempts.items()):
        attempts.add_metric(labels, count)
    crashes = CounterMetricFamily("evtrack_crashes", "Attempts that crashed, by cause.", labels=["handler", "cause"])
    for labels, count in sorted(counter.crashes.items()):
        crashes.add_metric(labels, count)
    runs = HistogramMetricFamily(
        "evtrack_batch_run_seconds", "How long completed attempts ran in their slot.", labels=["handler"]
    )
    for handler in sorted(counter.run_s):
        total = 0
        buckets: list[tuple[str, float]] = []
        for place, bound in enumerate([*(str(bound) for bound in BOUNDS_S), "+Inf"]):
            total += counter.buckets[handler, place]
            buckets.append((bound, total))
        runs.add_metric([handler], buckets, sum_value=counter.run_s[handler])
    yield from (attempts, crashes, runs)
