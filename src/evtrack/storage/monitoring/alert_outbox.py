"""The outbox of alerts: the database fills it, one watcher at a time delivers them and marks them as delivered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from evtrack.domain.alerts.models import alert_from
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import one, rows, run, value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from evtrack.domain.alerts.alert import Alert
    from evtrack.domain.alerts.thresholds import Thresholds
    from evtrack.storage.connection.connect import Connection

AT_ONCE: Final = 100
"""Alerts that are delivered before they are marked together; as many may be delivered twice if a watcher is killed."""


class Undelivered(NamedTuple):
    """How many alerts no watcher has delivered, and for how many seconds the oldest of them has been waiting."""

    undelivered: int
    lag_s: float


@dataclass(frozen=True, slots=True)
class TakenAlert:
    """A row of the outbox that a watcher has taken."""

    alert_id: int
    kind: str
    severity: str
    job_id: int | None
    batch_no: int | None
    facts: dict[str, Any]
    created_at: datetime

    def alert(self) -> Alert:
        """Return the alert that the row stands for."""
        return alert_from(
            {
                **self.facts,
                "event": self.kind,
                "level": self.severity,
                "timestamp": self.created_at,
                "alert_id": self.alert_id,
                "job_id": self.job_id,
                "batch_no": self.batch_no,
            }
        )


def check_alerts(connection: Connection, thresholds: Thresholds) -> int:
    """Raise the alerts that do not follow from a single event; one caller at a time does.

    Args:
        connection: A connection in autocommit mode.
        thresholds: When to raise them.

    Returns:
        How many alerts are new.
    """
    return int(value(connection, "check_alerts", **asdict(thresholds)) or 0)


def deliver(connection: Connection, *, who: str, write: Callable[[Sequence[Alert]], None]) -> list[Alert]:
    """Take undelivered alerts, deliver them, and mark them as delivered, all in one transaction.

    If the watcher dies before the commit, they stay undelivered for others, whether written or not.

    Args:
        connection: A connection in autocommit mode.
        who: The watcher's name.
        write: Delivers them; if it raises an error, they stay undelivered.

    Returns:
        The alerts that were delivered; none when the outbox is empty.
    """
    with translated(), connection.transaction():
        taken = rows(connection, TakenAlert, "take_alerts", most=AT_ONCE)
        if not taken:
            return []
        alerts = [each.alert() for each in taken]
        write(alerts)
        run(connection, "mark_alerts", alert_ids=[alert.alert_id for alert in alerts], who=who)
    return alerts


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A row of evtrack.alert_status."""

    alert_id: int
    kind: str
    severity: str
    job_id: int | None
    batch_no: int | None
    created_at: datetime
    delivered_at: datetime | None
    delivered_by: str | None
    cleared_at: datetime | None
    facts: dict[str, Any]


def alerts(
    connection: Connection, *, limit: int, job_id: int | None = None, undelivered: bool = False
) -> list[AlertRow]:
    """Read the latest alerts, latest first.

    Args:
        limit: How many at most.
        job_id: Only those of this job; None for all.
        undelivered: Only those that no watcher has delivered yet.
    """
    values = {"job_id": job_id, "undelivered": undelivered, "limit": limit}
    return rows(connection, AlertRow, "alerts", **values)


def undelivered_alerts(connection: Connection) -> Undelivered:
    """Read how many alerts wait for delivery.

    Returns:
        How many, and for how long.
    """
    return one(connection, Undelivered, "alert_outbox") or Undelivered(0, 0.0)
