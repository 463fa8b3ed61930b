"""Alerts about a handler or a worker: crash rate, queue depth, and slots that keep dying."""

from typing import Any

import pytest

from client import Client

pytestmark = pytest.mark.integration


def of_handler(client: Client, kind: str) -> list[dict[str, Any]]:
    """Return the alerts of a kind that concern the client's handler."""
    return client.rows(
        "SELECT * FROM evtrack.alert WHERE kind = %s AND facts ->> 'handler' = %s ORDER BY alert_id",
        kind,
        client.handler,
    )


def test_a_high_crash_rate_raises_an_alert_when_it_begins(client: Client) -> None:
    check = "SELECT evtrack.check_alerts(max_crash_rate => %s, least_attempts => %s)"
    job, worker = client.job(20, items=2), client.worker()
    claims = client.claim(worker, job)
    client.complete(worker, claims[2:])
    client.crash(worker, claims[:1])
    client.crash_with(worker, claims[1:2], [{"cause": "signal", "ordinal": 4}], done=["{[3,4)}"])
    client.fail(worker, client.claim(worker, job)[:1])
    client.rows(check, 5.0, 22)
    assert [] == of_handler(client, "crash_rate_high"), "too few"
    client.rows(check, 10.0, 20)
    assert [] == of_handler(client, "crash_rate_high"), "not high enough"
    client.rows(check, 5.0, 20)
    (told,) = of_handler(client, "crash_rate_high")
    assert (21, 2, 9.52, 5) == tuple(
        told["facts"][name] for name in ("attempts", "crashed", "crash_rate_pct", "max_crash_rate")
    )
    day = client.rows("SELECT attempts, crashed FROM evtrack.crash_rates('1 day') WHERE handler = %s", client.handler)
    assert [{"attempts": 21, "crashed": 2}] == day
    client.rows(check, 5.0, 20)
    client.rows(check, 50.0, 20)
    (told,) = of_handler(client, "crash_rate_high")
    assert told["cleared_at"] is not None
    client.rows(check, 5.0, 20)
    assert 1 == len(of_handler(client, "crash_rate_high")), "once an hour"
    client.conn.execute("UPDATE evtrack.alert SET occasion = 'before' WHERE alert_id = %s", [told["alert_id"]])
    client.rows(check, 5.0, 20)
    assert 2 == len(of_handler(client, "crash_rate_high"))


def test_crashes_that_were_only_counted_count_in_the_rate_for_a_day(client: Client) -> None:
    job, worker = client.job(2, max_crashes=5), client.worker()
    crashed, lost = client.claim(worker, job)
    client.crash(worker, [crashed])
    client.crash(worker, [lost], cause="worker_lost")
    rate = "SELECT attempts, crashed FROM evtrack.crash_rates(%s) WHERE handler = %s"
    assert [{"attempts": 1, "crashed": 1}] == client.rows(rate, "1 hour", client.handler), "a lost worker is no crash"
    kept = "SELECT count(*) FROM evtrack.alert_storm WHERE job_id = %s"
    client.one("SELECT evtrack.check_alerts()")
    assert client.one(kept, job) >= 1
    assert [] == client.rows("SELECT FROM evtrack.alert WHERE job_id = %s", job)
    client.conn.execute("UPDATE evtrack.alert_storm SET minute = minute - interval '25 h' WHERE job_id = %s", [job])
    client.one("SELECT evtrack.check_alerts()")
    assert 0 == client.one(kept, job)


def test_a_deep_queue_raises_an_alert_per_handler(client: Client) -> None:
    client.job(3)
    client.job(2)
    client.one("SELECT evtrack.check_alerts(max_pending => 5)")
    assert [] == of_handler(client, "queue_deep")
    client.one("SELECT evtrack.check_alerts(max_pending => 4)")
    client.one("SELECT evtrack.check_alerts(max_pending => 3)")
    (told,) = of_handler(client, "queue_deep")
    assert (5, 2, "warning") == (told["facts"]["batches"], told["facts"]["jobs"], told["severity"])


def test_only_one_session_checks_at_a_time(client: Client, other: Client) -> None:
    client.job(3)
    with other.conn.transaction():
        other.one("SELECT evtrack.check_alerts()")
        assert 0 == client.one("SELECT evtrack.check_alerts(max_pending => 2)")
    assert client.one("SELECT evtrack.check_alerts(max_pending => 2)") >= 1


def test_slots_that_keep_dying_raise_one_alert_an_hour(client: Client) -> None:
    worker = client.worker()
    report = "SELECT evtrack.report_slots(%s, %s)"
    assert client.one(report, worker, "SIGSEGV" * 100)
    assert not client.one(report, worker, "SIGABRT")
    look = "SELECT * FROM evtrack.alert WHERE kind = 'slots_keep_dying' AND subject = %s"
    (row,) = client.rows(look, str(worker))
    assert (("SIGSEGV" * 100)[:500], "test", None) == (row["facts"]["said"], row["facts"]["worker"], row["cleared_at"])
    assert not client.one(report, worker, None)
    (row,) = client.rows(look, str(worker))
    assert row["cleared_at"] is not None
