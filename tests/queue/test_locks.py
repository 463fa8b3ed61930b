"""Locks are taken in the same order everywhere, and the hot paths do not wait for the slow ones."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from client import Claim, Client
from evtrack.storage.connection.connect import connect
from polling import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def third(shared_dsn: str, client: Client) -> Iterator[Client]:
    """A third session, which looks at what the others hold."""
    with connect(shared_dsn, purpose="test") as conn:
        yield Client(conn, client.handler)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for calls that wait."""
    with ThreadPoolExecutor(2) as executor:
        yield executor


def waiting(pool: ThreadPoolExecutor, watcher: Client, waiter: Client, call: Callable[[], Any]) -> Future[Any]:
    """Start a call on a session of its own, and return when it waits for a lock."""
    future = pool.submit(call)
    pid = waiter.conn.info.backend_pid
    eventually(
        lambda: (
            watcher.one("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", pid) or future.done()
        )
    )
    assert not future.done(), future.result()
    return future


def free(client: Client, table: str, job: int, number: int | None = None) -> bool:
    """Return whether no lock on a row would block a writer."""
    where = "job_id = %s" if number is None else "job_id = %s AND batch_no = %s"
    parameters = [job] if number is None else [job, number]
    with client.conn.transaction():
        rows = client.rows(f"SELECT 1 AS x FROM evtrack.{table} WHERE {where} FOR UPDATE SKIP LOCKED", *parameters)
    return bool(rows)


@pytest.mark.parametrize("function", ["complete", "fail", "crash", "requeue"])
def test_reports_lock_their_batches_in_order(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor, function: str
) -> None:
    first, second, worker = client.job(2), client.job(2), client.worker()
    claims = client.claim(worker, first, second)
    backwards = sorted(claims, reverse=True)
    call = {"complete": client.complete, "fail": client.fail, "crash": client.crash, "requeue": client.requeue}[
        function
    ]
    with other.conn.transaction():
        other.conn.execute("SELECT FROM evtrack.batch WHERE job_id = %s AND batch_no = 2 FOR UPDATE", [first])
        future = waiting(pool, third, client, lambda: call(worker, backwards))
        held = [free(third, "batch", claim.job_id, claim.batch_no) for claim in sorted(claims)]
        assert [False, False, True, True] == held
    assert 4 == len(future.result(10))
    client.check(first, second)


def test_a_job_is_locked_before_its_batches(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor
) -> None:
    job, worker = client.job(2, items=2), client.worker()
    (claim,) = client.claim(worker, job, fresh=1)
    calls: list[Callable[[], Any]] = [
        lambda: client.complete_partly(worker, claim, "{[1,2)}"),
        lambda: client.one("SELECT evtrack.cancel(%s)", job),
    ]
    for call in calls:
        with other.conn.transaction():
            other.conn.execute("SELECT FROM evtrack.job WHERE job_id = %s FOR UPDATE", [job])
            future = waiting(pool, third, client, call)
            assert free(third, "batch", job, 1)
            assert free(third, "batch", job, 2)
        assert future.result(10)
    client.check(job)


def test_a_claim_never_waits(client: Client, other: Client) -> None:
    job, worker = client.job(3), client.worker()
    client.conn.execute("SET lock_timeout = '2s'")
    with other.conn.transaction():
        # Its submitter, a suspension, a report: all of them hold the job's row or a batch's.
        other.one("SELECT evtrack.suspend(%s)", job)
        (taken,) = other.claim(other.worker(), client.job(), fresh=1)
        other.conn.execute("SELECT FROM evtrack.batch WHERE job_id = %s AND batch_no = 1 FOR UPDATE", [job])
        assert [2, 3] == [claim.batch_no for claim in client.claim(worker, job, taken.job_id)]
    client.conn.execute("RESET lock_timeout")
    assert [] == client.claim(worker, job)


def test_a_report_does_not_wait_for_the_submitter(client: Client, other: Client) -> None:
    job, worker = client.job(2), client.worker()
    claims = client.claim(worker, job)
    client.conn.execute("SET lock_timeout = '2s'")
    with other.conn.transaction():
        other.conn.execute("SELECT FROM evtrack.job WHERE job_id = %s FOR UPDATE", [job])
        assert ["ok"] == client.complete(worker, claims[:1])
        assert ["retry"] == client.crash(worker, claims[1:])
    client.conn.execute("RESET lock_timeout")


def test_two_sessions_do_not_wait_for_each_others_counters(client: Client, other: Client) -> None:
    job, worker = client.job(4), client.worker()
    claims = client.claim(worker, job)
    client.conn.execute("SET lock_timeout = '2s'")
    with other.conn.transaction():
        other.complete(worker, claims[:2])
        assert ["ok", "ok"] == client.complete(worker, claims[2:])
    client.conn.execute("RESET lock_timeout")
    client.check(job)


def test_reconcile_waits_for_an_uncommitted_claim(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor
) -> None:
    job, worker = client.job(2), client.worker()
    with other.conn.transaction():
        claims = other.claim(worker, job)
        future = waiting(pool, third, client, lambda: client.reconcile(worker))
    assert [(claims[0], "requeued"), (claims[1], "requeued")] == sorted(future.result(10))
    client.check(job)


def test_an_uncommitted_report_on_a_lost_connection_is_not_late(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor
) -> None:
    job, worker = client.job(2), client.worker()
    claims = client.claim(worker, job)
    with other.conn.transaction():
        other.complete(worker, claims)
        future = waiting(pool, third, client, lambda: client.complete(worker, claims))
    assert ["ok", "ok"] == future.result(10)
    assert ["enqueued", "started", "completed"] == client.types(job)
    client.check(job)


def test_a_report_that_was_rolled_back_is_accepted_from_the_second_sender(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor
) -> None:
    job, worker = client.job(2), client.worker()
    claims = client.claim(worker, job)
    with other.conn.transaction(force_rollback=True):
        other.complete(worker, claims)
        future = waiting(pool, third, client, lambda: client.complete(worker, claims))
    assert ["ok", "ok"] == future.result(10)
    client.check(job)


def test_a_batch_taken_from_a_waiting_report_makes_only_that_report_late(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor
) -> None:
    job, worker = client.job(3), client.worker()
    claims = client.claim(worker, job)
    with other.conn.transaction():
        other.requeue(worker, claims[1:2])
        future = waiting(pool, third, client, lambda: client.complete(worker, claims))
    assert ["ok", "late", "ok"] == future.result(10)
    assert ["completed", "pending", "completed"] == [batch.status for batch in client.batches(job).values()]
    client.check(job)


def test_concurrent_claims_share_the_batches(client: Client, other: Client) -> None:
    job, worker, rival = client.job(4), client.worker(), client.worker()
    client.requeue(worker, client.claim(worker, job))
    with other.conn.transaction():
        theirs = other.claim(rival, job, returning=2)
        ours = client.claim(worker, job, returning=2)
    assert {1, 2} == {claim.batch_no for claim in theirs}
    # They were the oldest for both; the second session gets nothing instead of waiting.
    assert [] == ours
    assert {Claim(job, 3, 2), Claim(job, 4, 2)} == set(client.claim(worker, job))
    client.check(job)


def test_moving_items_does_not_wait_for_running_batches(client: Client, other: Client) -> None:
    job, worker = client.job(2, items=2, max_errors=1), client.worker()
    one, _ = client.claim(worker, job)
    client.fail(worker, [one])
    client.conn.execute("SET lock_timeout = '2s'")
    with other.conn.transaction():
        # As one who reports or reaps batch 2 would have it.
        other.conn.execute("SELECT FROM evtrack.batch WHERE job_id = %s AND batch_no = 2 FOR UPDATE", [job])
        rows = client.rows("SELECT verdict FROM evtrack.retry_items(%s, '{key:1,key:3}')", job)
        assert ["retry", "running"] == [row["verdict"] for row in rows]
        rows = client.rows("SELECT verdict FROM evtrack.quarantine(%s, '{key:2,key:4}')", job)
        assert ["quarantined", "running"] == [row["verdict"] for row in rows]
    client.conn.execute("RESET lock_timeout")
    client.check(job)


def test_the_crash_of_a_single_item_does_not_wait_for_the_submitter(client: Client, other: Client) -> None:
    job, worker = client.job(), client.worker()
    claims = client.claim(worker, job)
    client.conn.execute("SET lock_timeout = '2s'")
    with other.conn.transaction():
        other.conn.execute("SELECT FROM evtrack.job WHERE job_id = %s FOR UPDATE", [job])
        assert ["retry"] == client.crash(worker, claims)
    client.conn.execute("RESET lock_timeout")


def test_finish_due_locks_nothing_while_batches_are_open(client: Client, other: Client) -> None:
    job = client.job(2)
    client.conn.execute("SET lock_timeout = '2s'")
    with other.conn.transaction():
        other.conn.execute("SELECT FROM evtrack.job WHERE job_id = %s FOR UPDATE", [job])
        assert client.one("SELECT evtrack.finish_due(%s)", job) is False
    client.conn.execute("RESET lock_timeout")


def test_only_one_of_two_sessions_finishes_a_job(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor
) -> None:
    job, worker = client.job(), client.worker()
    client.complete(worker, client.claim(worker, job))
    with other.conn.transaction():
        assert other.one("SELECT evtrack.finish_due(%s)", job) is True
        future = waiting(pool, third, client, lambda: client.one("SELECT evtrack.finish_due(%s)", job))
    assert future.result(10) is False
    assert 1 == client.types(job, 0).count("finished")


def test_the_second_writer_of_a_version_is_refused(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor
) -> None:
    job = client.job()
    insert = (
        "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type)"
        " SELECT job_day, job_id, 1, 2, 'cancelled' FROM evtrack.job WHERE job_id = %s"
    )
    with other.conn.transaction():
        other.conn.execute(insert, [job])
        future = waiting(pool, third, client, lambda: client.conn.execute(insert, [job]))
    with pytest.raises(psycopg.errors.UniqueViolation):
        future.result(10)
    client.check(job)


def test_an_exchange_of_retried_batches_locks_them_before_it_writes_to_their_streams(
    client: Client, other: Client, third: Client, pool: ThreadPoolExecutor
) -> None:
    job, late, worker = client.job(2), client.worker(), client.worker()
    claims = client.claim(late, job)
    client.requeue(late, claims)
    retried = client.claim(worker, job, fresh=0)
    assert [2, 2] == [claim.attempt for claim in retried]
    with other.conn.transaction():
        # As a late report does, which then writes to the same streams.
        assert ["late", "late"] == other.complete(late, claims)
        future = waiting(pool, third, client, lambda: client.exchange(worker, sorted(retried, reverse=True)))
        assert ["late", "late"] == other.complete(late, claims)
    assert ["ok", "ok"] == future.result(10)
    client.check(job)
