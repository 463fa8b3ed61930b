"""Suspending, cancelling, finishing and retrying jobs."""

import pytest

from client import Claim, Client, refused
from event_streams import data_of
from evtrack.domain.database_errors import PermissionDenied
from evtrack.domain.states import BatchStatus
from evtrack.storage.queue import job_control

pytestmark = pytest.mark.integration


def test_suspend_and_resume_return_whether_they_changed_anything(client: Client) -> None:
    job = client.job()
    answers = [client.one(f"SELECT evtrack.{call}(%s)", job) for call in ("suspend", "suspend", "resume", "resume")]
    assert [True, False, True, False] == answers
    assert ["suspended", "resumed"] == client.types(job, 0)[-2:]


def test_cancel_cancels_waiting_batches_and_lets_running_ones_finish(client: Client) -> None:
    job, worker = client.job(3, backoff_s=300), client.worker()
    first, second = client.claim(worker, job, fresh=2)
    client.fail(worker, [first])
    assert client.one("SELECT evtrack.cancel(%s)", job) is True
    assert client.one("SELECT evtrack.cancel(%s)", job) is False
    assert ["cancelled", "running", "cancelled"] == [batch.status for batch in client.batches(job).values()]
    assert ["ok"] == client.complete(worker, [second])
    assert "cancelled" == client.phase(job)
    assert 3 == client.one("SELECT fresh_after FROM evtrack.job WHERE job_id = %s", job)
    assert client.one("SELECT evtrack.finish_due(%s)", job) is False
    client.check(job)


@pytest.mark.parametrize(("call", "phase"), [("suspend", "finished"), ("suspend", "cancelled"), ("cancel", "finished")])
def test_a_finished_job_is_neither_suspended_nor_cancelled(client: Client, call: str, phase: str) -> None:
    job, worker = client.job(), client.worker()
    if phase == "finished":
        client.complete(worker, client.claim(worker, job))
        client.one("SELECT evtrack.finish_due(%s)", job)
    else:
        client.one("SELECT evtrack.cancel(%s)", job)
    with refused("EV004", f"job {job} is {phase}"):
        client.one(f"SELECT evtrack.{call}(%s)", job)


def test_a_job_finishes_when_nothing_is_open_and_records_its_outcome(client: Client) -> None:
    job, worker = client.job(3, items=2, max_errors=1, max_crashes=1), client.worker()
    claims = client.claim(worker, job)
    client.complete(worker, claims[:1])
    client.fail(worker, claims[1:2])
    assert client.one("SELECT evtrack.finish_due(%s)", job) is False
    client.crash(worker, claims[2:])
    assert client.one("SELECT evtrack.finish_due(%s)", job) is False
    client.crash(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    assert client.one("SELECT evtrack.finish_due(%s)", job) is False
    finished = data_of(client.events(job, 0)[-1])
    assert {"completed": 1, "failed": 1, "crashed": 2, "split": 1, "cancelled": 0} == finished["batches"]
    assert {"completed": 2, "failed": 2, "crashed": 2, "cancelled": 0} == finished["items"]
    # JobCompletion compacts the counters; their sums stay.
    client.check(job)


def test_retry_requeues_failed_and_crashed_batches_with_new_budgets(client: Client) -> None:
    job, worker = client.job(4, max_errors=1, max_crashes=1), client.worker()
    claims = client.claim(worker, job)
    client.complete(worker, claims[:1])
    client.fail(worker, claims[1:3])
    client.crash(worker, claims[3:])
    client.one("SELECT evtrack.finish_due(%s)", job)
    assert 1 == client.one("SELECT evtrack.retry(%s, batch_nos => '{2}')", job)
    assert ["finished", "reopened"] == client.types(job, 0)[-2:]
    assert "sealed" == client.phase(job)
    assert 1 == client.one("SELECT evtrack.retry(%s, '{crashed}')", job)
    assert 1 == client.one("SELECT evtrack.retry(%s)", job)
    assert 0 == client.one("SELECT evtrack.retry(%s)", job)
    for number in (2, 3, 4):
        batch = client.batch(job, number)
        assert (BatchStatus.PENDING, 0, 0) == (batch.status, batch.errors, batch.crashes)
    again = client.claim(worker, job)
    assert {Claim(job, 2, 2), Claim(job, 3, 2), Claim(job, 4, 2)} == set(again)
    client.complete(worker, again)
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    assert (4, 4) == client.sums(job)["completed"]
    client.check(job)


def test_a_retry_of_nothing_does_not_reopen_the_job(client: Client) -> None:
    job, worker = client.job(), client.worker()
    client.complete(worker, client.claim(worker, job))
    client.one("SELECT evtrack.finish_due(%s)", job)
    assert 0 == client.one("SELECT evtrack.retry(%s)", job)
    assert "finished" == client.phase(job)


def test_retry_refuses_other_statuses_and_cancelled_jobs(client: Client) -> None:
    job = client.job()
    with refused("EV007", "cannot retry"):
        client.one("SELECT evtrack.retry(%s, '{completed}')", job)
    client.one("SELECT evtrack.cancel(%s)", job)
    with refused("EV004", "is cancelled"):
        client.one("SELECT evtrack.retry(%s)", job)


def test_the_partitions_of_a_day_are_created_once(client: Client) -> None:
    assert 3 == client.one("SELECT evtrack.make_partitions('2031-01-30', 3)")
    assert 1 == client.one("SELECT evtrack.make_partitions('2031-02-01', 2)")
    parts = client.rows("SELECT relid::text AS part FROM pg_partition_tree('evtrack.event') WHERE isleaf")
    assert {"evtrack.event_20310130", "evtrack.event_20310202"} <= {row["part"] for row in parts}


def test_a_wake_up_that_fails_does_not_hide_what_was_done(own_client: Client) -> None:
    job, worker = own_client.job(2), own_client.worker()
    own_client.fail(worker, own_client.claim(worker, job))
    own_client.conn.execute("UPDATE evtrack.batch SET run_at = clock_timestamp()")
    own_client.crash(worker, own_client.claim(worker, job))
    # A role that the server denies the wake-up, which is a passing error like a full queue of notifications.
    for right in (
        "GRANT USAGE ON SCHEMA evtrack",
        "GRANT SELECT ON ALL TABLES IN SCHEMA evtrack",
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA evtrack",
    ):
        own_client.conn.execute(f"{right} TO pg_monitor".encode())
    own_client.conn.execute("REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM PUBLIC")
    own_client.conn.execute("REVOKE EXECUTE ON FUNCTION evtrack.finish_due(bigint) FROM pg_monitor")
    own_client.conn.execute("SET ROLE pg_monitor")
    with pytest.raises(PermissionDenied):
        job_control.finish_due(own_client.conn, job)
    (verdict,) = job_control.quarantine_items(own_client.conn, job, ["key:1"])
    assert "quarantined" == verdict.verdict
    own_client.conn.execute("RESET ROLE")
    own_client.one("SELECT evtrack.retry(%s)", job)
    own_client.one("SELECT evtrack.suspend(%s)", job)
    own_client.conn.execute("SET ROLE pg_monitor")
    assert job_control.resume_job(own_client.conn, job)
