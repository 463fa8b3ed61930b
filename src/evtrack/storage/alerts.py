"""The outbox of alerts: taken by one watcher at a time, marked when they are delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evtrack.domain.alerts import Alert, alert_from
from evtrack.storage.database import Connection, translated
from evtrack.storage.sql import statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AT_ONCE: Final = 100
"""Alerts that are written before they are marked together; as many may be told twice when a watcher is killed."""


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
