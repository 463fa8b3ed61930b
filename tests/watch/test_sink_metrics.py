"""Metrics of what waits for the sinks of watchers."""

import pytest

from evtrack.runtime.watch.metrics import DatabaseMetrics
from evtrack.storage.connection.connect import Connection
from evtrack.storage.monitoring.alert_delivery import register_sink

pytestmark = pytest.mark.integration


def test_gauges_show_the_deliveries_that_sinks_have_not_accepted(dsn: str, conn: Connection) -> None:
    register_sink(conn, "slack:here:0", keep_trying_s=60)
    for subject in ("one", "two"):
        conn.execute("SELECT evtrack.raise_alert('batch_failed', %s, '', 'error', '{}')", [subject])
    conn.execute("SELECT evtrack.mark_alerts(array(SELECT alert_id FROM evtrack.alert), 'w')")
    conn.execute("UPDATE evtrack.delivery SET gave_up_at = now() WHERE alert_id % 2 = 0")
    collector = DatabaseMetrics(dsn=dsn)
    collector.begin()
    try:
        samples = [sample for family in collector.collect() for sample in family.samples]
    finally:
        collector.close()
    found = {(s.name, *s.labels.values()): s.value for s in samples if s.name.startswith("evtrack_sink")}
    assert 0 < found.pop(("evtrack_sink_lag_seconds", "slack:here:0")) < 60
    assert {
        ("evtrack_sink_deliveries", "slack:here:0", "pending"): 1,
        ("evtrack_sink_deliveries", "slack:here:0", "given_up"): 1,
    } == found
