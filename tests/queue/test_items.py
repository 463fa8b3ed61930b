"""retry_items and quarantine: single items are retried or never run, and the others stay where they are."""

from typing import Any

import psycopg
import pytest

from client import Client
from event_streams import data_of
from evtrack.domain.states import BatchStatus

pytestmark = pytest.mark.integration


def call(client: Client, function: str, job: int, *ordinals: int, **more: Any) -> list[tuple[int | None, int, str]]:
    """Call one of the two for the items with these ordinals."""
    named = "".join(f", {name} => %s" for name in more)
    rows = client.rows(
        f"SELECT * FROM evtrack.{function}(%s, %s{named})", job, [f"key:{n}" for n in ordinals], *more.values()
    )
    return [(row["ordinal"], row["batch_no"], row["verdict"]) for row in rows]


@pytest.fixture
def job(client: Client) -> int:
    """A finished job: batch 1 of 4 items failed for good, batch 2 of 4 items is completed."""
    job, worker = client.job(2, items=4, max_errors=1), client.worker()
    one, two = client.claim(worker, job)
    client.fail(worker, [one])
    client.complete(worker, [two])
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    return job


def test_some_items_of_a_batch_are_retried_in_a_new_one(client: Client, job: int) -> None:
    assert [(2, 3, "retry"), (4, 3, "retry")] == call(client, "retry_items", job, 2, 4)
    assert "sealed" == client.phase(job)
    one, _, back = client.batches(job).values()
    assert (BatchStatus.FAILED, "{[1,2),[3,4)}", 2, 1) == (one.status, str(one.ordinals), one.item_count, one.errors)
    assert (BatchStatus.PENDING, "{[2,3),[4,5)}", 0, 1) == (back.status, str(back.ordinals), back.errors, back.root_no)
    assert ["enqueued", "started", "failed", "split"] == client.types(job, 1)
    client.check(job)
    worker = client.worker()
    (claim,) = client.claimed(worker, job)
    assert ("key:2\nkey:4", '{"n": 2}\n{"n": 4}') == (claim["item_keys"], claim["payload"])
    assert [(2, 3, "running")] == call(client, "retry_items", job, 2)


def test_a_batch_with_all_items_retried_is_retried_itself(client: Client, job: int) -> None:
    assert [(n, 1, "retry") for n in (1, 2, 3, 4)] == call(client, "retry_items", job, 1, 2, 3, 4)
    batch = client.batch(job)
    assert (BatchStatus.PENDING, 0, 2) == (batch.status, batch.errors, len(client.batches(job)))
    client.check(job)


def test_items_that_have_not_failed_stay_and_are_named(client: Client, job: int) -> None:
    assert [(5, 2, "completed"), (None, None, "unknown")] == call(client, "retry_items", job, 5, 99)
    assert "finished" == client.phase(job)
    assert [(1, 1, "failed")] == call(client, "retry_items", job, 1, statuses=["crashed"])
    assert [(1, 1, "failed")] == call(client, "retry_items", job, 1, batch_nos=[2])
    assert [(1, 3, "retry")] == call(client, "retry_items", job, 1, statuses=["failed"], batch_nos=[1])


def test_the_rest_can_be_retried_after_single_items(client: Client, job: int) -> None:
    call(client, "retry_items", job, 2)
    assert 1 == client.one("SELECT evtrack.retry(%s)", job)
    worker = client.worker()
    claims = client.claim(worker, job)
    assert ["ok", "ok"] == client.complete(worker, claims)
    assert (3, 8) == client.sums(job)["completed"]
    rows = client.rows("SELECT path FROM evtrack.item_status WHERE job_id = %s AND ordinal <= 2 ORDER BY ordinal", job)
    assert [[1], [1, 3]] == [row["path"] for row in rows]
    client.check(job)


def test_items_of_several_batches_can_be_retried_at_once(client: Client) -> None:
    job, worker = client.job(3, items=3, max_errors=1), client.worker()
    client.fail(worker, client.claim(worker, job))
    assert [(2, 4, "retry"), (5, 5, "retry"), (9, 6, "retry")] == call(client, "retry_items", job, 2, 5, 9)
    client.check(job)


def test_poison_can_be_quarantined_before_it_runs(client: Client) -> None:
    job, worker = client.job(2, items=3), client.worker()
    assert [(2, 3, "quarantined"), (4, 4, "quarantined")] == call(client, "quarantine", job, 2, 4)
    assert [(2, 3, "cancelled")] == call(client, "quarantine", job, 2)
    # What is left is as fresh as it was.
    assert [True, True] == [client.batch(job, number).fresh for number in (1, 2)]
    claims = client.claimed(worker, job, returning=0)
    assert ["key:1\nkey:3", "key:5\nkey:6"] == [claim["item_keys"] for claim in claims]
    assert [(1, 1, "running")] == call(client, "quarantine", job, 1)
    assert [] == client.claim(worker, job)
    assert {"reason": "quarantined"} == data_of(client.events(job, 3)[-1])
    client.check(job)


def test_a_batch_with_only_quarantined_items_is_cancelled(client: Client) -> None:
    job = client.job(2)
    assert [(1, 1, "quarantined"), (2, 2, "quarantined")] == call(client, "quarantine", job, 1, 2)
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    assert (2, 2) == client.sums(job)["cancelled"]
    client.check(job)


def test_quarantined_items_are_not_retried_with_the_others(client: Client, job: int) -> None:
    assert [(3, 3, "quarantined")] == call(client, "quarantine", job, 3)
    assert 1 == client.one("SELECT evtrack.retry(%s)", job)
    assert [(3, 3, "cancelled")] == call(client, "retry_items", job, 3)


def test_a_cancelled_job_and_a_wrong_status_are_refused(client: Client, job: int) -> None:
    with pytest.raises(psycopg.Error, match="cannot retry items"):
        call(client, "retry_items", job, 1, statuses=["completed"])
    other = client.job()
    client.one("SELECT evtrack.cancel(%s)", other)
    with pytest.raises(psycopg.Error, match="is cancelled"):
        call(client, "retry_items", other, 1)
    with pytest.raises(psycopg.Error, match="no such job"):
        call(client, "quarantine", 999_999, 1)


def test_a_running_batch_is_not_split(client: Client) -> None:
    job, worker = client.job(items=2), client.worker()
    client.claim(worker, job)
    with pytest.raises(psycopg.Error, match=r"split is refused: the batch is running"):
        client.conn.execute(
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, data)"
            ' SELECT job_day, job_id, 1, 3, \'split\', 1, \'{"moved": "{[1,2)}", "moved_items": 1, "to": [2]}\''
            " FROM evtrack.job WHERE job_id = %s",
            (job,),
        )
