"""The waiting view distinguishes a batch that never started from a long queue and from a missing handler."""

from typing import Any

import pytest

from client import Client

pytestmark = pytest.mark.integration


def why(client: Client, job: int) -> Any:
    """Return why a job waits."""
    rows = client.rows("SELECT why FROM evtrack.waiting WHERE job_id = %s", job)
    return rows[0]["why"] if rows else None


def earlier(client: Client, table: str, column: str, key: str, value: int) -> None:
    """Move a time back by ten minutes."""
    client.conn.execute(
        f"UPDATE evtrack.{table} SET {column} = {column} - interval '10 minutes' WHERE {key} = %s".encode(), (value,)
    )


@pytest.fixture
def old(client: Client) -> int:
    """A job that has waited for ten minutes."""
    job = client.job(3)
    earlier(client, "batch", "enqueued_at", "job_id", job)
    return job


@pytest.fixture
def worker(client: Client) -> int:
    """A worker of two slots that has been there for ten minutes."""
    worker = client.worker()
    earlier(client, "worker", "started_at", "worker_id", worker)
    return worker


def test_a_job_waits_for_a_handler_that_no_worker_offers(client: Client, old: int) -> None:
    client.worker("another")
    assert "no worker" == why(client, old)
    silent = client.worker()
    earlier(client, "worker", "seen_at", "worker_id", silent)
    assert "no worker" == why(client, old)


def test_a_batch_that_waits_though_slots_are_free_never_started(client: Client, old: int, worker: int) -> None:
    del worker
    (row,) = client.rows("SELECT * FROM evtrack.waiting WHERE job_id = %s", old)
    assert ("never started", 3, 3, 1, 2) == tuple(row[n] for n in ("why", "batches", "items", "workers", "free_slots"))
    assert 600 <= row["waited_s"] < 700


def test_a_batch_in_a_long_queue_waits_for_its_turn(client: Client, old: int, worker: int) -> None:
    client.one("SELECT evtrack.heartbeat(%s, 2)", worker)
    assert "queue" == why(client, old)
    # Slots that are free for a moment between two batches do not count.
    client.one("SELECT evtrack.heartbeat(%s, 0)", worker)
    assert "never started" == why(client, old)
    client.complete(worker, client.claim(worker, old, fresh=1))
    assert "queue" == why(client, old)
    client.conn.execute("UPDATE evtrack.progress SET bucket = bucket - 60 WHERE job_id = %s", (old,))
    assert "never started" == why(client, old)


def test_work_of_another_handler_keeps_the_worker_busy_too(client: Client, old: int) -> None:
    other = Client(client.conn)
    worker = client.worker(client.handler, other.handler)
    earlier(client, "worker", "started_at", "worker_id", worker)
    assert "never started" == why(client, old)
    other.complete(worker, other.claim(worker, other.job()))
    assert "queue" == why(client, old)


def test_a_newly_registered_worker_is_given_time(client: Client, old: int) -> None:
    client.worker()
    assert "queue" == why(client, old)


def test_suspension_and_backoff_are_reported_as_the_reason(client: Client, old: int, worker: int) -> None:
    client.one("SELECT evtrack.suspend(%s)", old)
    assert "suspended" == why(client, old)
    client.one("SELECT evtrack.resume(%s)", old)
    assert "queue" == why(client, old)
    job = client.job(max_errors=3, backoff_s=100)
    client.fail(worker, client.claim(worker, job))
    assert "backoff" == why(client, job)


def test_a_job_with_nothing_pending_does_not_wait(client: Client, worker: int) -> None:
    job = client.job()
    client.claim(worker, job)
    assert why(client, job) is None


def test_the_job_decides_how_long_is_too_long(client: Client, worker: int) -> None:
    del worker
    patient, impatient = client.job(1, start_within_s=3600), client.job(1, start_within_s=0.5)
    earlier(client, "batch", "enqueued_at", "job_id", patient)
    rows = client.rows("SELECT why, start_within_s, overdue FROM evtrack.waiting WHERE job_id = %s", patient)
    assert [{"why": "queue", "start_within_s": 3600, "overdue": False}] == rows
    assert "queue" == why(client, impatient)
    earlier(client, "batch", "enqueued_at", "job_id", impatient)
    rows = client.rows("SELECT why, start_within_s, overdue FROM evtrack.waiting WHERE job_id = %s", impatient)
    assert [{"why": "never started", "start_within_s": 0.5, "overdue": True}] == rows


def test_a_missing_handler_is_a_problem_only_after_a_while(client: Client, old: int) -> None:
    fresh = client.job()
    rows = client.rows(
        "SELECT job_id, why, overdue FROM evtrack.waiting WHERE job_id IN (%s, %s) ORDER BY 1", old, fresh
    )
    assert [(old, "no worker", True), (fresh, "no worker", False)] == [tuple(row.values()) for row in rows]


def test_an_invalid_value_in_a_stored_policy_means_the_default(client: Client, old: int, worker: int) -> None:
    del worker
    client.conn.execute('UPDATE evtrack.job SET policy = \'{"start_within_s": "soon"}\' WHERE job_id = %s', (old,))
    assert [60.0] == [
        row["start_within_s"]
        for row in client.rows("SELECT start_within_s FROM evtrack.waiting WHERE job_id = %s", old)
    ]
