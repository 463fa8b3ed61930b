"""Alerts and workers page by page, and what is stored."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows, value
from evtrack.storage.monitoring.alert_outbox import AlertRow
from evtrack.storage.reports.walk import Walk, walked
from evtrack.storage.reports.worker_reports import WorkerRow

LOOKED: Final = 2000
"""At how many alerts a page with a filter looks."""

_JOBS: Final = 20_000
_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class AlertEntry(AlertRow):
    """An alert, with how many sinks still wait for it and how many were given up."""

    subject: str
    pending_sinks: int
    failed_sinks: int


@dataclass(frozen=True, slots=True)
class TableSize:
    """A row of evtrack.table_size."""

    table_name: str
    partitions: int
    row_estimate: int
    table_bytes: int
    index_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class StoredDay:
    """A UTC day: its size, its jobs, and the first of those that have not ended, which keep it from being dropped."""

    job_day: date
    bytes: int
    jobs: int
    unfinished: int
    pinned_by: int | None


def alerts_page(
    conn: Connection, *, limit: int = 50, before: int | None = None, kind: str | None = None, undelivered: bool = False
) -> Walk[AlertEntry]:
    """Read a page of alerts, the latest first.

    Args:
        limit: How many at most.
        before: Only alerts with lower numbers; None for all.
        kind: Only those of this kind; None for all.
        undelivered: Only those that no watcher has delivered yet.
    """
    place = {"before": before, "undelivered": undelivered, "walk": LOOKED}
    found = rows(conn, AlertEntry, "alerts_page", limit=limit + 1, kind=kind, **place)
    return walked(found, limit, lambda alert: alert.alert_id, before, lambda: value(conn, "alert_walk", **place))


def workers_page(conn: Connection, *, limit: int = 50, before: int | None = None) -> Walk[WorkerRow]:
    """Read a page of workers in any state, by their numbers, which are random.

    Args:
        limit: How many at most.
        before: Only workers with lower numbers; None for all.
    """
    found = rows(conn, WorkerRow, "workers_page", limit=limit + 1, before=before)
    return walked(found, limit, lambda worker: worker.worker_id)


def table_sizes(conn: Connection) -> list[TableSize]:
    """Read the size on disk of each table, the largest first."""
    return rows(conn, TableSize, "table_sizes")


def stored_days(conn: Connection) -> list[StoredDay]:
    """Read the days that are stored, the latest first; their jobs are those among the latest 20,000."""
    return rows(conn, StoredDay, "stored_days", walk=_JOBS, limit=_DAYS)
