"""exchange reports and claims in one step, with the verdicts of complete and the batches of claim."""

import psycopg
import pytest

from client import Claim, Client
from old_jobs import days_ago, old_job

pytestmark = pytest.mark.integration


def test_reports_and_claims_are_one_step(client: Client) -> None:
    job, worker = client.job(5, items=2), client.worker()
    assert [] == client.exchange(worker, [], job, fresh=2)
    held = client.exchanged
    assert [Claim(job, 1, 1), Claim(job, 2, 1)] == held
    assert ["ok", "ok"] == client.exchange(worker, held, job, fresh=9, results=["1\n2", None])
    assert [3, 4, 5] == [claim.batch_no for claim in client.exchanged]
    assert [("{[1,3)}", "1\n2")] == [
        (row["ordinals"], row["lines"])
        for row in client.rows("SELECT ordinals::text, lines FROM evtrack.result WHERE job_id = %s", job)
    ]
    assert ["enqueued", "started", "completed"] == client.types(job)
    client.check(job)


@pytest.mark.parametrize("items", [1, 3])
def test_a_claimed_batch_is_described_as_by_the_claim(client: Client, items: int) -> None:
    job, worker = client.job(2, items=items, max_errors=7), client.worker()
    columns = "job_day, attempt, handler, item_count, losses, policy, isolation"
    assert [] == client.exchange(worker, [], job, fresh=1)
    calls = {
        "exchange": "evtrack.exchange(%s, '{}', '{}', '{}', '{}', claim_jobs => %s, after => '{0}', max_fresh => 1,"
        " handlers => %s)",
        "claim": "evtrack.claim(%s, %s, '{0}', 1, %s)",
    }
    rows = {}
    for name, call in calls.items():
        job = client.job(1, items=items, max_errors=7)
        statement = f"SELECT {columns}, ordinals, item_keys, payload FROM {call}"
        rows[name] = client.rows(statement, worker, [job], [client.handler])
    assert 1 == len(rows["claim"])
    assert rows["claim"] == rows["exchange"]


def test_a_late_report_does_not_keep_the_others_nor_the_claim(client: Client) -> None:
    job, worker, rival = client.job(4), client.worker(), client.worker()
    claims = client.claim(worker, job, fresh=3)
    client.requeue(worker, [claims[1]])
    assert [Claim(job, 2, 2)] == client.claim(rival, job, fresh=0)
    assert ["ok", "late", "ok"] == client.exchange(worker, claims, job, fresh=1)
    assert [Claim(job, 4, 1)] == client.exchanged
    client.check(job)


def test_a_retried_batch_completes_by_its_version(client: Client) -> None:
    job, worker = client.job(3), client.worker()
    first, *others = client.claim(worker, job)
    client.requeue(worker, [first])
    (again,) = client.claim(worker, job)
    assert ["ok"] * 3 == client.exchange(worker, [*others, again], results=["1", None, "2"])
    assert ["enqueued", "started", "requeued", "started", "completed"] == client.types(job)
    client.check(job)


def test_jobs_of_several_days_and_retried_batches_are_exchanged(client: Client) -> None:
    job, worker = client.job(2), client.worker()
    old = old_job(client, days_ago(1), 2)
    client.exchange(worker, [], job, old, fresh=2)
    held = client.exchanged
    assert {job, old} == {claim.job_id for claim in held}
    client.requeue(worker, held[:1])
    assert ["ok"] == client.exchange(worker, held[1:], job, old, fresh=2, returning=1)
    assert 3 == len(client.exchanged)
    assert ["ok"] * 3 == client.exchange(worker, client.exchanged)
    client.check(job, old)


def test_a_worker_that_was_declared_lost_reports_late_and_claims_nothing(client: Client) -> None:
    job, worker = client.job(2), client.worker()
    held = client.claim(worker, job, fresh=1)
    client.rows("SELECT evtrack.lose(w, 'lost', '{}') FROM evtrack.worker w WHERE worker_id = %s", worker)
    assert ["late"] == client.exchange(worker, held)
    with pytest.raises(psycopg.DatabaseError) as refused:
        client.exchange(worker, [], job, fresh=1)
    assert "EV006" == refused.value.sqlstate


def test_reports_new_and_retried_batches_are_one_exchange(client: Client) -> None:
    job, worker = client.job(4), client.worker()
    first, second = client.claim(worker, job, fresh=2)
    client.requeue(worker, [first])
    assert ["ok"] == client.exchange(worker, [second], job, fresh=1, returning=1)
    assert [Claim(job, 1, 2), Claim(job, 3, 1)] == sorted(client.exchanged)
    assert ["ok"] * 2 == client.exchange(worker, client.exchanged)
    client.check(job)
