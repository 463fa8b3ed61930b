"""The outbox of alerts: filled by checks and reports, taken by one watcher at a time, marked when delivered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import class_row

from evtrack.domain.alerts import Alert, alert_from
from evtrack.storage.connection.connect import Connection, translated
from evtrack.storage.connection.statements import statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

AT_ONCE: Final = 100
"""Alerts that are written before they are marked together; as many may be told twice when a watcher is killed."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is too much, or too long.

    Args:
        never_started_s: For how long batches may wait beside free slots.
        max_crash_rate: How many of a hundred attempts of a handler may crash.
        crash_span_s: Over which time that is counted.
        least_attempts: In how many attempts at least.
        max_pending: How many batches of a handler may be pending.
    """

    never_started_s: float = 60.0
    max_crash_rate: float = 5.0
    crash_span_s: float = 3600.0
    least_attempts: int = 20
    max_pending: int = 100_000


def check_alerts(connection: Connection, thresholds: Thresholds) -> int:
    """Look for what no single event tells, and put it into the outbox; one caller at a time does.

    Args:
        connection: A connection in autocommit mode.
        thresholds: What is too much.

    Returns:
        How many alerts are new.
    """
    with translated():
        row = connection.execute(statement("check_alerts"), asdict(thresholds)).fetchone()
    return int(row[0]) if row else 0


def report_slots(connection: Connection, worker_id: int, said: str | None) -> None:
    """Say that a worker's slots die again and again before they do anything, or live again.

    Args:
        connection: A connection in autocommit mode.
        worker_id: The worker.
        said: What is wrong; None when no more.
    """
    with translated():
        connection.execute(statement("report_slots"), {"worker_id": worker_id, "said": said})


def deliver(connection: Connection, *, who: str, write: Callable[[Sequence[Alert]], None]) -> list[Alert]:
    """Take alerts that nobody has delivered, have them written, and mark them, all in one transaction.

    Who dies before the commit leaves them to others, written or not.

    Args:
        connection: A connection in autocommit mode.
        who: The watcher's name.
        write: Writes them; what it raises leaves them undelivered.

    Returns:
        The alerts that are marked now; none when there is nothing to take.
    """
    with translated(), connection.transaction():
        rows = connection.execute(statement("take_alerts"), {"most": AT_ONCE}).fetchall()
        if not rows:
            return []
        alerts = [
            alert_from(
                {
                    **facts,
                    "event": kind,
                    "level": severity,
                    "timestamp": created_at,
                    "alert_id": alert_id,
                    "job_id": job_id,
                    "batch_no": batch_no,
                }
            )
            for alert_id, kind, _, severity, job_id, batch_no, facts, created_at in rows
        ]
        write(alerts)
        connection.execute(statement("mark_alerts"), {"alert_ids": [alert.alert_id for alert in alerts], "who": who})
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
        connection: An open connection.
        limit: At most so many.
        job_id: Only those of this job; None for all.
        undelivered: Only those that no watcher has told yet.

    Returns:
        Their rows.
    """
    values = {"job_id": job_id, "undelivered": undelivered, "limit": limit}
    with translated(), connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(statement("alerts"), values).fetchall()
