"""Figures for the metrics endpoint: cheap sums, and attempts counted as the log grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import dict_rows, rows, run, value
from evtrack.storage.monitoring.alert_delivery import sink_sums
from evtrack.storage.monitoring.alert_outbox import undelivered_alerts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.monitoring.alert_delivery import SinkSums
    from evtrack.storage.monitoring.alert_outbox import Undelivered

STATEMENT_MS: Final = 2000
"""How long a statement may take: a slower one is cancelled, and runs again at the next scrape."""


class CurrentFigures(NamedTuple):
    """The current figures.

    Args:
        handlers: Items and batches by status, one row per handler.
        waiting: Waiting jobs, one row per handler and reason.
        workers: Workers and slots, one row per state.
        alerts: Undelivered alerts.
        sinks: Deliveries to sinks that are pending, or were given up in the last day.
        in_hand: The longest run of an item in hand, one row per handler.
    """

    handlers: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    alerts: Undelivered
    sinks: list[SinkSums]
    in_hand: list[dict[str, Any]]


class Attempts(NamedTuple):
    """Attempts with the same outcome.

    Args:
        handler: Their handler.
        outcome: completed, failed or crashed.
        cause: What ended the process, if they crashed.
        fits: Into how many buckets of the histogram each falls; None when their duration is unknown.
        attempts: How many.
        run_s: Their total duration.
    """

    handler: str
    outcome: str
    cause: str | None
    fits: int | None
    attempts: int
    run_s: float


def current_figures(connection: Connection) -> CurrentFigures:
    """Read the current figures."""
    with translated(), connection.transaction():
        run(connection, "bound_statements", statement=STATEMENT_MS)
        return CurrentFigures(
            handlers=dict_rows(connection, "handler_sums"),
            waiting=dict_rows(connection, "waiting_sums"),
            workers=dict_rows(connection, "worker_sums"),
            alerts=undelivered_alerts(connection),
            sinks=sink_sums(connection),
            in_hand=dict_rows(connection, "in_hand_sums"),
        )


def horizon(connection: Connection) -> int:
    """Return the transaction id below which all transactions have ended."""
    return int(value(connection, "horizon"))


def attempts_between(connection: Connection, lo: int, hi: int, *, bounds: Sequence[float]) -> list[Attempts]:
    """Count the attempts that were recorded in a window of transactions.

    Args:
        connection: An open connection, in autocommit mode.
        lo: The first transaction.
        hi: The first one after the window, not beyond the horizon.
        bounds: The upper bounds of a histogram of run times, ascending.
    """
    with translated(), connection.transaction():
        run(connection, "bound_statements", statement=STATEMENT_MS)
        negated = [-bound for bound in reversed(bounds)]
        return rows(connection, Attempts, "attempts_between", lo=lo, hi=hi, bounds=negated)
