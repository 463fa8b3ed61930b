"""The outbox of alerts: filled in the transaction of the event, and each alert is taken by one watcher."""

import pytest

from alert_rows import alerts, kinds
from client import Client
from workers import running_worker, submit

pytestmark = pytest.mark.integration


def test_successful_work_raises_no_alert(client: Client) -> None:
    job, worker = client.job(3), client.worker()
    client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    assert [] == alerts(client, job)


def test_a_poison_alert_has_the_cause_and_the_items_of_the_batch(client: Client) -> None:
    job, worker = client.job(max_crashes=1), client.worker()
    dossier = {"cause": "signal", "signal": "SIGSEGV", "item_key": "key:1", "ordinal": 1, "pid": 7, "stderr": "secret"}
    client.crash_with(worker, client.claim(worker, job), [dossier])
    (row,) = alerts(client, job)
    assert ("item_poisoned", 1, "error", f"{job}/1") == (
        row["kind"], row["batch_no"], row["severity"], row["subject"],
    )  # fmt: skip
    assert {
        "handler": client.handler,
        "attempt": 1,
        "items": "key:1",
        "item_count": 1,
        "worker_id": worker,
        "worker": "test",
        "host": "host",
        "cause": "signal",
        "signal": "SIGSEGV",
        "item_key": "key:1",
        "ordinal": 1,
        "pid": 7,
        "crashes": 1,
    } == row["facts"]


def test_a_poison_item_raises_one_alert_for_all_of_its_crashes(client: Client) -> None:
    job, worker = client.job(items=3), client.worker()
    client.crash(worker, client.claim(worker, job), cause="signal", signal="SIGSEGV", ordinal=2)
    assert [] == kinds(client, job), "the item runs again, alone"
    back = {claim.batch_no: claim for claim in client.claim(worker, job)}
    client.complete(worker, [back[3]])
    client.crash(worker, [back[2]], cause="signal", signal="SIGABRT")
    assert [("item_poisoned", 2, "error")] == kinds(client, job)
    facts = alerts(client, job)[0]["facts"]
    assert ("key:2", "signal", "SIGABRT", 2) == tuple(
        facts[name] for name in ("item_key", "cause", "signal", "crashes")
    )


def test_a_poison_item_of_a_batch_that_is_halved_raises_one_alert(client: Client) -> None:
    job, worker = client.job(items=8), client.worker()
    while claims := client.claim(worker, job):
        for claim in claims:
            poisoned = 5 in client.batch(job, claim.batch_no).ordinals
            client.crash(worker, [claim], cause="timeout") if poisoned else client.complete(worker, [claim])
    assert ["item_poisoned"] == [kind for kind, _, _ in kinds(client, job)]
    assert 2 == alerts(client, job)[0]["facts"]["crashes"]


def test_a_crash_that_counts_against_no_item_raises_no_alert(client: Client) -> None:
    job, worker = client.job(2), client.worker()
    one, two = client.claim(worker, job)
    client.crash(worker, [one], cause="memory_limit", blame="none")
    client.one("SELECT evtrack.cancel(%s)", job)
    client.crash(worker, [two], cause="memory_limit", blame="none")
    assert [] == kinds(client, job)
    rate = client.rows("SELECT crashed FROM evtrack.crash_rates('1 day') WHERE handler = %s", client.handler)
    assert [] == [row for row in rate if row["crashed"]]


def test_a_batch_that_stays_crashed_without_a_poison_item_raises_an_alert(client: Client) -> None:
    job, worker = client.job(items=2), client.worker()
    claims = client.claim(worker, job)
    client.one("SELECT evtrack.cancel(%s)", job)
    client.crash(worker, claims, cause="timeout")
    assert [("batch_crashed", 1, "error")] == kinds(client, job)
    assert alerts(client, job)[0]["facts"]["final"]


def test_a_poison_item_known_at_once_is_reported_for_its_new_batch(client: Client) -> None:
    job, worker = client.job(items=3, max_crashes=1), client.worker()
    client.crash(worker, client.claim(worker, job), cause="signal", signal="SIGSEGV", item_key="key:2", ordinal=2)
    assert [("item_poisoned", 2, "error")] == kinds(client, job)


def test_only_the_last_failure_raises_an_alert(client: Client) -> None:
    job, worker = client.job(max_errors=2, backoff_s=0), client.worker()
    client.fail(worker, client.claim(worker, job))
    assert [] == alerts(client, job)
    client.fail(worker, client.claim(worker, job), {"type": "KeyError", "message": "x" * 1000})
    (row,) = alerts(client, job)
    assert ("batch_failed", "error", "KeyError", "x" * 300) == (
        row["kind"], row["severity"], row["facts"]["error_type"], row["facts"]["error"],
    )  # fmt: skip


def test_an_error_of_many_batches_raises_one_alert_an_hour(client: Client) -> None:
    job, worker = client.job(6, max_errors=1), client.worker()
    claims = client.claim(worker, job)
    for number, claim in enumerate(claims[:4]):
        client.fail(worker, [claim], {"type": "KeyError", "message": f"no user '{number}'"})
    client.fail(worker, claims[4:], {"type": "KeyError", "message": "no group 7"})
    assert [("batch_failed", 1, "error"), ("batch_failed", 5, "error")] == kinds(client, job)
    rows = alerts(client, job)
    fingerprints = [row["fingerprint"] for row in client.view("error_summary", job, "example_batch_no")]
    assert fingerprints == [row["facts"]["fingerprint"] for row in rows]
    assert [f"{job}/{each}" for each in fingerprints] == [row["subject"] for row in rows]
    client.conn.execute("UPDATE evtrack.alert SET occasion = 'before' WHERE job_id = %s", [job])
    client.one("SELECT evtrack.retry(%s, '{failed}', '{1}')", job)
    client.fail(worker, client.claim(worker, job), {"type": "KeyError", "message": "no user '9'"})
    assert 3 == len(alerts(client, job))


def test_failed_items_of_a_batch_raise_an_alert_when_their_budget_is_spent(client: Client) -> None:
    job, worker = client.job(items=3, max_errors=2, backoff_s=0), client.worker()
    (claim,) = client.claim(worker, job)
    assert "ok" == client.complete_partly(worker, claim, "{[2,3)}")
    assert [] == alerts(client, job)
    again = client.job(items=3, max_errors=1)
    (claim,) = client.claim(worker, again)
    assert "ok" == client.complete_partly(worker, claim, "{[2,3)}")
    assert [("batch_failed", 2, "error")] == kinds(client, again)
    client.check(job, again)


def test_a_job_that_ends_with_failures_raises_an_alert(client: Client) -> None:
    job, worker = client.job(2, max_errors=1), client.worker()
    one, two = client.claim(worker, job)
    client.fail(worker, [one])
    client.complete(worker, [two])
    client.one("SELECT evtrack.finish_due(%s)", job)
    assert [("batch_failed", 1, "error"), ("job_finished_with_errors", None, "warning")] == kinds(client, job)
    facts = alerts(client, job)[1]["facts"]
    assert (1, 1, 0) == (facts["completed"], facts["failed"], facts["invalid"])


def test_a_lost_worker_raises_one_alert_and_its_batches_none(client: Client) -> None:
    job, worker = client.job(2), client.worker()
    client.claim(worker, job)
    client.conn.execute(
        "UPDATE evtrack.worker SET seen_at = seen_at - interval '2 hours' WHERE worker_id = %s", [worker]
    )
    client.run_steadily()
    client.rows("SELECT * FROM evtrack.reap('1 hour', '1 hour')")
    assert [] == kinds(client, job)
    (lost,) = client.rows("SELECT * FROM evtrack.alert WHERE kind = 'worker_lost' AND subject = %s", str(worker))
    assert (2, "no heartbeat", "test") == tuple(lost["facts"][name] for name in ("batches", "why", "worker"))


def test_an_abandoned_job_raises_an_alert(client: Client) -> None:
    job = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)[0]["job_id"]
    client.conn.execute("UPDATE evtrack.job SET created_at = created_at - interval '2 hours' WHERE job_id = %s", (job,))
    client.run_steadily()
    client.rows("SELECT * FROM evtrack.reap('0 s', '1 hour')")
    assert [("job_abandoned", None, "error")] == kinds(client, job)


def test_a_malformed_crash_report_still_raises_an_alert(client: Client) -> None:
    job, worker = client.job(max_alerts=None, max_crashes=1), client.worker()
    client.crash_with(worker, client.claim(worker, job), ["nonsense"])
    assert [("item_poisoned", 1, "error")] == kinds(client, job)
    failed = client.job(max_errors=1)
    client.fail(worker, client.claim(worker, failed), ["nonsense", {"type": 7}])
    assert [("batch_failed", 1, "error")] == kinds(client, failed)


def test_alerts_taken_by_one_watcher_are_skipped_by_another(client: Client, other: Client) -> None:
    client.one("SELECT evtrack.mark_alerts(array(SELECT alert_id FROM evtrack.alert), 'before')")
    job, worker = client.job(2, max_crashes=1), client.worker()
    client.crash(worker, client.claim(worker, job))
    with client.conn.transaction():
        (one,) = client.rows("SELECT alert_id FROM evtrack.take_alerts(1)")
        (two,) = other.rows("SELECT alert_id FROM evtrack.take_alerts()")
        assert one["alert_id"] < two["alert_id"]
        assert 1 == client.one("SELECT evtrack.mark_alerts(%s::bigint[], 'first')", [one["alert_id"]])
    assert [two] == other.rows("SELECT alert_id FROM evtrack.take_alerts()"), "not marked, so still there"
    assert 1 == other.one("SELECT evtrack.mark_alerts(%s::bigint[], 'other')", [one["alert_id"], two["alert_id"]])
    assert ["first", "other"] == [row["delivered_by"] for row in alerts(client, job)]
    assert [] == other.rows("SELECT alert_id FROM evtrack.take_alerts()")


def test_the_item_summary_of_an_alert_matches_the_view(client: Client) -> None:
    for items in (1, 3, 4, 12):
        job = client.job(items=items)
        (row,) = client.rows(
            "SELECT s.item_summary, evtrack.item_summary(b.job_day, b.job_id, b.ordinals) AS told FROM evtrack.batch b"
            " JOIN evtrack.batch_status s USING (job_id, batch_no) WHERE job_id = %s",
            job,
        )
        assert row["item_summary"] == row["told"]


def test_a_batch_that_never_started_raises_an_alert_unless_it_waits_for_a_worker(client: Client) -> None:
    lonely = Client(client.conn)
    alone = lonely.job()
    job = client.job()
    worker = client.worker()
    client.conn.execute(
        "UPDATE evtrack.worker SET started_at = started_at - interval '1 hour' WHERE worker_id = %s", [worker]
    )
    client.conn.execute(
        "UPDATE evtrack.batch SET enqueued_at = enqueued_at - interval '5 minutes' WHERE job_id = ANY(%s)",
        [[job, alone]],
    )
    client.one("SELECT evtrack.check_alerts('10 minutes')")
    assert [] == alerts(client, job)
    client.one("SELECT evtrack.check_alerts('1 minute')")
    assert [("never_started", None, "error")] == kinds(client, job)
    assert (1, 2) == tuple(alerts(client, job)[0]["facts"][name] for name in ("workers", "free_slots"))
    assert [] == alerts(client, alone)


def test_taking_alerts_reads_only_undelivered_ones(client: Client) -> None:
    client.conn.execute(
        "INSERT INTO evtrack.alert (kind, subject, occasion, severity, delivered_at)"
        " SELECT 'batch_failed', 'old', i::text, 'error', now() FROM generate_series(1, 5000) i"
    )
    client.conn.execute("ANALYZE evtrack.alert")
    (plan,) = client.rows(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM evtrack.alert a WHERE a.delivered_at IS NULL"
        " ORDER BY a.alert_id LIMIT 100 FOR UPDATE SKIP LOCKED"
    )
    assert "alert_undelivered" in str(plan)


def test_no_function_notifies_because_a_full_queue_of_notifications_would_fail_its_transaction(client: Client) -> None:
    found = client.rows(
        "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'evtrack' AND p.prosrc ~* 'notify'"
    )
    assert [] == found


def test_a_worker_wakes_the_watchers_after_it_has_reported_what_may_raise_an_alert(queue: Client, dsn: str) -> None:
    queue.conn.execute("LISTEN evtrack_alert")
    submit(queue, '{"do": "raise"}', handler="scripted", max_errors=1)
    with running_worker(dsn, only=["scripted"]):
        assert list(queue.conn.notifies(timeout=20, stop_after=1))
    assert ["batch_failed"] == [row["kind"] for row in queue.rows("SELECT kind FROM evtrack.alert ORDER BY alert_id")][
        :1
    ]
