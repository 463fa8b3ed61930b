"""Runs all checks, one after the other; a check that fails to run is reported as a finding, too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from evtrack.domain.database_errors import MigrationError, PermissionDenied, StorageError
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.doctor import findings
from evtrack.runtime.doctor.canary import send_canary
from evtrack.runtime.doctor.findings import Finding, note, problem
from evtrack.storage.connection.connect import Connection, behind_pooler, connect
from evtrack.storage.monitoring import doctor_facts
from evtrack.storage.monitoring.alert_delivery import sink_sums
from evtrack.storage.monitoring.alert_outbox import undelivered_alerts
from evtrack.storage.queue.notify_queue import QUEUE_FULL, notify_queue
from evtrack.storage.reports import worker_reports
from evtrack.storage.schema import migrations
from evtrack.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTIFY_TIMEOUT_S: Final = 2.0
"""How long a notification may take to arrive."""


def checkup(
    dsn: str, *, canary_s: float | None = 10.0, wall_clock: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """Run all checks.

    Args:
        canary_s: How long the canary batch may take; None sends no canary.
        wall_clock: Returns this machine's time, in seconds since the epoch.

    Yields:
        A finding per check or more, each as soon as it is known.
    """
    try:
        connection = connect(dsn, purpose="doctor")
    except EvtrackError as error:
        yield problem("connection", error.message, error.hint)
        return
    with connection as conn:
        facts = doctor_facts.server_facts(conn)
        yield from findings.server(facts)
        before = wall_clock()
        server_time = doctor_facts.server_time(conn).timestamp()
        yield findings.clock(before, server_time, wall_clock())
        yield from _guarded("notify", lambda: _notifications(conn, dsn))
        yield from _guarded("horizon", lambda: _horizon(conn, sees_all=facts.sees_all))
        schema = list(_guarded("schema", lambda: _schema(conn)))
        yield from schema
        if any(each.check == "schema" and each.level == "problem" for each in schema):
            return
        yield from _guarded("roles", lambda: findings.roles(doctor_facts.rights(conn), facts.role))
        yield from _guarded("roles", lambda: findings.grants(doctor_facts.missing_rights(conn)))
        yield from _guarded("partitions", lambda: [findings.partitions(doctor_facts.days_ahead(conn))])
        yield from _guarded("partitions", lambda: findings.partition_locks(doctor_facts.partition_locks(conn)))
        yield from _guarded("workers", lambda: findings.workers(worker_reports.live_workers(conn), __version__))
        yield from _guarded("queue", lambda: findings.queue(doctor_facts.stuck(conn)))
        yield from _guarded("alerts", lambda: [findings.alerts(*undelivered_alerts(conn))])
        yield from _guarded("sinks", lambda: findings.sinks(sink_sums(conn)))
        if canary_s is not None:
            yield from _guarded("canary", lambda: [_canary(conn, canary_s)])


def _schema(conn: Connection) -> list[Finding]:
    try:
        return findings.schema(migrations.status(conn))
    except MigrationError as error:
        return [problem("schema", error.message, error.hint)]


def _horizon(conn: Connection, *, sees_all: bool) -> list[Finding]:
    return findings.horizon(doctor_facts.old_transactions(conn, older_s=findings.OLD_TRANSACTION_S), sees_all=sees_all)


def _notifications(conn: Connection, dsn: str) -> list[Finding]:
    # First, because it also empties a queue that nobody keeps full any more.
    full = findings.notify_queue(notify_queue(conn))
    try:
        arrived = doctor_facts.notification_arrives(conn, dsn, timeout_s=NOTIFY_TIMEOUT_S)
    except StorageError as error:
        if full and error.sqlstate == QUEUE_FULL:
            return full
        raise
    return [*full, findings.notifications(arrived=arrived, pooled=behind_pooler(conn))]


def _canary(conn: Connection, patience_s: float) -> Finding:
    alive = [worker for worker in worker_reports.live_workers(conn) if worker.state == "alive"]
    return send_canary(conn, alive, patience_s=patience_s)


def _guarded(check: str, run: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return run()
    except PermissionDenied as error:
        return [note(check, f"not checked, this role has no right to: {error.message}")]
    except EvtrackError as error:
        return [problem(check, f"the check failed: {error.message}", error.hint or "check the server's log")]
