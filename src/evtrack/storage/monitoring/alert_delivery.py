"""Deliveries of alerts to sinks: a row per alert and sink, which any watcher that has the sink takes when it is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from evtrack.storage.connection.query import mapping, one, rows, run, value
from evtrack.storage.monitoring.alert_outbox import TakenAlert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from evtrack.domain.alerts.alert import Alert
    from evtrack.storage.connection.connect import Connection

PENDING: Final = "pending"
"""The state of a delivery that is due now or later."""

DELIVERED: Final = "delivered"
"""The state of a delivery that the sink has accepted."""

GAVE_UP: Final = "gave up"
"""The state of a delivery that is not tried again."""


@dataclass(frozen=True, slots=True)
class Delivery(TakenAlert):
    """An alert that a sink thread has taken, and which attempt this is."""

    attempt: int


class Failure(NamedTuple):
    """Why an attempt failed, and when the next one may begin.

    Args:
        error: The reason.
        retry_in_s: The pause before the next attempt.
        final: Whether there is none.
    """

    error: str
    retry_in_s: float
    final: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A row of evtrack.alert_delivery."""

    alert_id: int
    sink: str
    state: str
    attempts: int
    retry_at: datetime
    delivered_at: datetime | None
    gave_up_at: datetime | None
    taken_by: str | None
    error: str | None


class SinkSums(NamedTuple):
    """The deliveries to a sink that are not made.

    Args:
        sink: Its label.
        pending: How many will be tried again.
        gave_up: How many were given up in the last day.
        lag_s: For how many seconds the oldest pending one has waited.
        error: Why the last attempt failed.
    """

    sink: str
    pending: int
    gave_up: int
    lag_s: float
    error: str | None


def register_sink(connection: Connection, sink: str, *, keep_trying_s: float) -> None:
    """Record that this watcher has a sink: alerts that are marked from now on are delivered to it too.

    Args:
        sink: Its label, which shows no secret.
        keep_trying_s: For how long a delivery is tried.
    """
    run(connection, "register_sink", sink=sink, keep_trying_s=keep_trying_s)


def take_delivery(connection: Connection, sink: str, *, who: str, lease_s: float) -> Delivery | None:
    """Take an alert that is due for a sink.

    Args:
        sink: The sink's label.
        who: The watcher's name.
        lease_s: How long nobody else takes it.

    Returns:
        The alert; None if none is due.
    """
    return one(connection, Delivery, "take_delivery", sink=sink, who=who, lease_s=lease_s)


def end_delivery(connection: Connection, sink: str, alert: Alert, attempt: int, failure: Failure | None) -> str | None:
    """Record how an attempt ended.

    Args:
        sink: The sink's label.
        alert: The alert.
        attempt: Which attempt it was.
        failure: Why it failed; None if it was delivered.

    Returns:
        The state of the delivery; None if another attempt has begun meanwhile.
    """
    state: str | None = value(
        connection,
        "end_delivery",
        alert_id=alert.alert_id,
        sink=sink,
        attempt=attempt,
        error=failure and failure.error,
        retry_in_s=failure.retry_in_s if failure else 0.0,
        final=failure is not None and failure.final,
    )
    return state


def give_up_deliveries(connection: Connection) -> dict[str, int]:
    """Give up the deliveries whose time is over and whose sink no running watcher has.

    Returns:
        How many, by sink.
    """
    return mapping(connection, "give_up_deliveries")


def deliveries(connection: Connection, alert_ids: Sequence[int]) -> list[DeliveryRow]:
    """Read the deliveries of alerts to sinks.

    Args:
        alert_ids: Of which alerts.
    """
    return rows(connection, DeliveryRow, "deliveries", alert_ids=list(alert_ids))


def sink_sums(connection: Connection) -> list[SinkSums]:
    """Read which sinks have deliveries that are pending, or were given up in the last day."""
    return rows(connection, SinkSums, "sink_sums")
