"""Batches of which some items failed: those move to a batch of their own."""

import time

import psycopg
import pytest
from psycopg.types.json import Jsonb

from client import Client
from event_streams import data_of
from evtrack.domain.states import BatchStatus
from old_jobs import days_ago, old_job

pytestmark = pytest.mark.integration


def test_the_failed_items_move_to_a_batch_of_their_own(client: Client) -> None:
    job, worker = client.job(2, items=5, backoff_s=0), client.worker()
    claims = client.claim(worker, job)
    errors = [{"ordinal": 7, "key": "key:7", "type": "KeyError", "message": "'x'"}]
    assert "ok" == client.complete_partly(worker, claims[1], "{[7,8),[9,10)}", results="1\n\n3", errors=errors)
    kept, moved = client.batch(job, 2), client.batch(job, 3)
    assert (BatchStatus.COMPLETED, 3, "{[6,7),[8,9),[10,11)}") == (kept.status, kept.item_count, str(kept.ordinals))
    assert (BatchStatus.PENDING, 2, "{[7,8),[9,10)}", 2, 2, 1, "'x'") == (
        moved.status,
        moved.item_count,
        str(moved.ordinals),
        moved.root_no,
        moved.parent_no,
        moved.errors,
        moved.error,
    )
    assert ["enqueued", "failed", "requeued"] == client.types(job, 3)
    assert {"moved": "{[7,8),[9,10)}", "moved_items": 2, "moved_to": [3]}.items() <= (
        data_of(client.events(job, 2)[-1]).items()
    )
    assert "{[6,7),[8,9),[10,11)}" == client.one("SELECT ordinals::text FROM evtrack.result WHERE job_id = %s", job)
    client.check(job)
    (row,) = client.claimed(worker, job)
    assert (3, 2, "key:7\nkey:9") == (row["batch_no"], row["attempt"], row["item_keys"])


def test_moved_items_start_as_failed_when_the_budget_is_spent(client: Client) -> None:
    job, worker = client.job(items=4, max_errors=2, backoff_s=0), client.worker()
    (claim,) = client.claim(worker, job)
    client.complete_partly(worker, claim, "{[1,4)}")
    (claim,) = client.claim(worker, job)
    client.complete_partly(worker, claim, "{[2,3)}")
    assert [(1, "completed", 1), (2, "completed", 2), (3, "failed", 1)] == [
        (number, batch.status, batch.item_count) for number, batch in client.batches(job).items()
    ]
    assert (1, 2, 2) == (client.batch(job, 3).root_no, client.batch(job, 3).parent_no, client.batch(job, 3).errors)
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    client.check(job)


@pytest.mark.parametrize("failed", ["{}", "{[1,5)}", "{[4,6)}", "{[9,10)}"])
def test_failed_items_must_be_a_part_of_the_batch(client: Client, failed: str) -> None:
    job, worker = client.job(items=4), client.worker()
    (claim,) = client.claim(worker, job)
    with pytest.raises(psycopg.Error, match=rf"job {job}, batch 1: failed items") as caught:
        client.complete_partly(worker, claim, failed)
    assert "EV007" == caught.value.sqlstate
    assert BatchStatus.RUNNING is client.batch(job).status


def test_a_partial_completion_gets_a_verdict_too(client: Client) -> None:
    job, worker, rival = client.job(items=4), client.worker(), client.worker()
    (claim,) = client.claim(worker, job)
    assert "late" == client.complete_partly(rival, claim, "{[1,2)}")
    assert "unknown" == client.complete_partly(worker, claim._replace(attempt=9), "{[1,2)}")
    assert "ok" == client.complete_partly(worker, claim, "{[1,2)}")
    assert "ok" == client.complete_partly(worker, claim, "{[1,2)}")
    assert 2 == len(client.batches(job))
    with pytest.raises(psycopg.Error, match="no such job: 999999999") as caught:
        client.complete_partly(worker, claim._replace(job_id=999_999_999), "{[1,2)}")
    assert "EV003" == caught.value.sqlstate
    client.check(job)


def test_many_partial_completions_are_reported_in_one_call(client: Client, other: Client) -> None:
    """Each batch of each job loses its bad item to a batch of its own, numbered without a gap, in one transaction."""
    jobs = [client.job(3, items=3, backoff_s=0), client.job(2, items=3, backoff_s=0)]
    worker = client.worker()
    claims = client.claim(worker, *jobs)
    failed = [f"{{[{claim.batch_no * 3},{claim.batch_no * 3 + 1})}}" for claim in claims]
    with client.conn.transaction():
        assert ["ok"] * 5 == client.complete_with_failures(worker, claims, failed, results=["1\n2"] * 5)
        assert [] == [batch for batch in other.batches(jobs[0]).values() if batch.status is not BatchStatus.RUNNING]
    for job, n in zip(jobs, (3, 2), strict=True):
        batches = client.batches(job)
        assert list(range(1, 2 * n + 1)) == sorted(batches)
        assert {number + n: number for number in range(1, n + 1)} == {
            number: batch.parent_no for number, batch in batches.items() if batch.parent_no
        }
        assert [f"{{[{number * 3},{number * 3 + 1})}}" for number in range(1, n + 1)] == [
            str(batches[number].ordinals) for number in range(n + 1, 2 * n + 1)
        ]
        client.check(job)
    assert ["ok"] * 5 == client.complete_with_failures(worker, claims, failed)
    client.check(*jobs)


def test_one_bad_report_in_a_group_gets_its_own_verdict(client: Client) -> None:
    job, worker, rival = client.job(4, items=3), client.worker(), client.worker()
    one, two, three, four = client.claim(worker, job)
    client.requeue(worker, [three])
    client.claim(rival, job, fresh=0)
    group = [two, three, two, four._replace(attempt=7), one, one._replace(job_id=999_999_999)]
    failed = ["{[5,6)}", "{[8,9)}", "{[5,6)}", "{[11,12)}", "{[1,2)}", "{[1,2)}"]
    assert ["ok", "late", "ok", "unknown", "ok", "unknown"] == client.complete_with_failures(worker, group, failed)
    assert {1: "completed", 2: "completed", 3: "running", 4: "running", 5: "pending", 6: "pending"} == {
        number: str(batch.status) for number, batch in client.batches(job).items()
    }
    assert (1, 2) == (client.batch(job, 5).parent_no, client.batch(job, 6).parent_no)
    client.check(job)


def test_a_group_with_impossible_items_changes_nothing(client: Client) -> None:
    job, worker = client.job(2, items=3), client.worker()
    claims = client.claim(worker, job)
    with pytest.raises(psycopg.Error, match=rf"job {job}, batch 2: failed items") as caught:
        client.complete_with_failures(worker, claims, ["{[1,2)}", "{[4,7)}"])
    assert "EV007" == caught.value.sqlstate
    assert {BatchStatus.RUNNING} == {batch.status for batch in client.batches(job).values()}


def test_reports_of_jobs_of_several_days_go_in_one_call(own_client: Client) -> None:
    client = own_client
    jobs = [old_job(client, days_ago(days), 2, items=2, backoff_s=0) for days in (0, 3, 9)]
    worker = client.worker()
    claims = client.claim(worker, *jobs)
    assert 6 == len(claims)
    failed = [f"{{[{claim.batch_no * 2},{claim.batch_no * 2 + 1})}}" for claim in claims]
    assert ["ok"] * 6 == client.complete_with_failures(worker, claims, failed)
    client.check(*jobs)
    assert 6 == len(client.claim(worker, *jobs, fresh=0))


def test_the_cost_of_an_error_grows_with_its_items_and_not_with_their_square(client: Client) -> None:
    took: dict[int, float] = {}
    for count in (125, 1_000):
        items = [{"ordinal": n, "key": f"K:{n}", "message": "no", "traceback": "x" * 2_000} for n in range(1, count)]
        for _ in range(3):
            begun = time.perf_counter()
            client.one("SELECT evtrack.error_facts(%s) IS NOT NULL", Jsonb({"message": "no", "items": items}))
            took[count] = min(took.get(count, 60.0), time.perf_counter() - begun)
    # Eight times as many items: 64 times the cost if each item copies all of them.
    assert took[1_000] < 24 * took[125], took
