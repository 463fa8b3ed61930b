"""reap: which workers are lost, and what happens to their batches and to the job of a lost submitter."""

from collections.abc import Iterator

import pytest

from client import Client
from event_streams import data_of
from evtrack.domain.states import BatchStatus
from polling import eventually
from reaping import age, gone_at, reap, seen_gone, session, step

pytestmark = pytest.mark.integration


@pytest.fixture
def dsn_of_workers(shared_dsn: str) -> str:
    """Where the sessions of workers go."""
    return shared_dsn


@pytest.fixture(autouse=True)
def _nobody_else(client: Client) -> Iterator[None]:
    """Keep workers and jobs of other tests from being reaped by this test, and its steps of the clock from them."""
    client.conn.execute("UPDATE evtrack.worker SET stopped_at = now() WHERE stopped_at IS NULL AND lost_at IS NULL")
    client.conn.execute("UPDATE evtrack.job SET phase = 'cancelled' WHERE phase = 'open'")
    client.run_steadily()
    yield
    client.run_steadily()


def test_a_worker_without_its_session_is_lost_after_the_grace_period(client: Client, dsn_of_workers: str) -> None:
    job, worker = client.job(2, items=3), client.worker()
    with session(dsn_of_workers, worker):
        client.claim(worker, job)
        assert seen_gone(client, worker) is None
    eventually(lambda: seen_gone(client, worker) is not None)
    assert BatchStatus.RUNNING == client.batch(job).status
    # The grace is counted from the server's start, too: it may have been away, and everybody with it.
    up = client.one("SELECT (clock_timestamp() - pg_postmaster_start_time())::text")
    age(client, worker, "gone_at", up)
    age(client, worker, "gone_at", "2 hours")
    grace = client.one("SELECT (%s::interval + '1 hour')::text", up)
    assert client.one(
        "SELECT gone_at < clock_timestamp() - %s::interval FROM evtrack.worker WHERE worker_id = %s", grace, worker
    )
    assert [] == reap(client, grace=grace)
    assert [(worker, "session gone", 2)] == reap(client, grace="0 s")
    assert [] == reap(client, grace="0 s")
    assert ["enqueued", "started", "crashed", "requeued"] == client.types(job)
    crashed = client.events(job, 1)[2]
    data = data_of(crashed)
    assert ("worker_lost", "session gone", "host", 1, worker) == (
        data["cause"], data["why"], data["host"], data["pid"], crashed.worker_id,
    )  # fmt: skip
    assert (BatchStatus.PENDING, 0, 1, 3) == (
        client.batch(job).status, client.batch(job).crashes, client.batch(job).losses, client.batch(job).item_count,
    )  # fmt: skip
    client.check(job)


def test_a_session_that_reconnects_within_the_grace_period_loses_nothing(client: Client, dsn_of_workers: str) -> None:
    job, worker = client.job(), client.worker()
    with session(dsn_of_workers, worker):
        client.claim(worker, job)
    eventually(lambda: seen_gone(client, worker) is not None)
    with session(dsn_of_workers, worker):
        assert [] == reap(client, grace="0 s")
        assert gone_at(client, worker) is None
        assert BatchStatus.RUNNING == client.batch(job).status


def test_a_worker_with_an_expired_heartbeat_is_lost_though_it_holds_its_lock(
    client: Client, dsn_of_workers: str
) -> None:
    job, worker = client.job(), client.worker()
    with session(dsn_of_workers, worker):
        client.claim(worker, job)
        age(client, worker, "seen_at")
        assert [(worker, "no heartbeat", 1)] == reap(client)


def test_without_a_session_lock_the_heartbeat_alone_counts(client: Client) -> None:
    job, worker = client.job(), client.worker()
    assert client.one("SELECT evtrack.heartbeat(%s, 1)", worker) is True
    client.claim(worker, job)
    assert [] == reap(client, grace="0 s")
    assert gone_at(client, worker) is None
    age(client, worker, "seen_at")
    assert [(worker, "no heartbeat", 1)] == reap(client, grace="0 s")


def test_a_lost_worker_is_fenced(client: Client) -> None:
    job, worker, other = client.job(2), client.worker(), client.worker()
    first, second = client.claim(worker, job)
    age(client, worker, "seen_at")
    reap(client)
    assert client.one("SELECT evtrack.heartbeat(%s)", worker) is False
    with pytest.raises(Exception, match="declared lost") as refusal:
        client.claim(worker, job)
    assert "EV006" == getattr(refusal.value, "sqlstate", None)
    assert {1, 2} == {c.batch_no for c in [*client.claim(other, job), *client.claim(other, job)]}
    assert ["late"] == client.complete(worker, [first])
    assert ["late"] == client.crash(worker, [second], cause="signal", signal="SIGSEGV")
    assert ["late_result"] * 2 == [client.types(job, number)[-1] for number in (1, 2)]
    assert {other} == {client.batch(job, number).worker_id for number in (1, 2)}
    client.check(job)


def test_a_batch_that_had_not_begun_is_requeued_however_many_workers_were_lost(client: Client) -> None:
    job = client.job(items=2, max_losses=1, max_crashes=1)
    for _ in range(12):
        worker = client.one("SELECT evtrack.register_worker('w', 'h', 1, 1, %s, '0', true)", [client.handler])
        client.claim(worker, job)
        age(client, worker, "seen_at")
        assert 1 == len(reap(client))
    batch = client.batch(job)
    assert (BatchStatus.PENDING, "marked", 0, 12) == (batch.status, batch.isolation, batch.crashes, batch.losses)
    rows = client.rows("SELECT poison, why FROM (SELECT poison, dossier ->> 'why' AS why FROM evtrack.crash"
                       " WHERE job_id = %s) c", job)  # fmt: skip
    assert [(False, "no heartbeat")] * 12 == [(row["poison"], row["why"]) for row in rows]
    client.check(job)


def test_a_lost_worker_of_a_cancelled_job_requeues_nothing(client: Client) -> None:
    job, worker = client.job(), client.worker()
    client.claim(worker, job)
    client.one("SELECT evtrack.cancel(%s)", job)
    age(client, worker, "seen_at")
    reap(client)
    assert ["enqueued", "started", "crashed", "cancelled"] == client.types(job)
    client.check(job)


def test_a_worker_that_stopped_cleanly_is_not_lost(client: Client) -> None:
    worker = client.worker()
    client.one("SELECT evtrack.stop_worker(%s)", worker)
    age(client, worker, "seen_at")
    assert [] == reap(client, grace="0 s")


def test_only_one_session_reaps_at_a_time(client: Client, other: Client) -> None:
    worker = client.worker()
    age(client, worker, "seen_at")
    with other.conn.transaction():
        assert [(worker, "no heartbeat", 0)] == reap(other)
        assert [] == reap(client)
    assert [] == reap(client)


def test_reaping_waits_for_an_uncommitted_claim(client: Client, other: Client) -> None:
    job, worker = client.job(), client.worker()
    with other.conn.transaction():
        other.handler = client.handler
        assert 1 == len(other.claim(worker, job))
        age(client, worker, "seen_at")
        assert [] == reap(client)
    assert [(worker, "no heartbeat", 1)] == reap(client)
    assert BatchStatus.PENDING == client.batch(job).status


def submission(client: Client) -> int:
    """Open a job."""
    job: int = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)[0]["job_id"]
    return job


def test_a_job_without_its_submitter_is_abandoned_and_can_be_reclaimed(client: Client, other: Client) -> None:
    job = submission(client)
    assert [] == reap(client, grace="0 s")
    assert "open" == client.phase(job)
    client.conn.execute("UPDATE evtrack.job SET created_at = created_at - interval '2 hours' WHERE job_id = %s", (job,))
    assert other.one("SELECT evtrack.hold_job(%s)", job) is True
    reap(client, grace="0 s")
    assert "open" == client.phase(job)
    other.one("SELECT pg_advisory_unlock_all()")
    reap(client, grace="0 s")
    assert ("abandoned", ["created", "abandoned"]) == (client.phase(job), client.types(job, 0))
    (row,) = other.rows("SELECT * FROM evtrack.reclaim(%s)", job)
    assert "open" == client.phase(job)
    reap(client, grace="0 s")
    assert "open" == client.phase(job)
    other.one("SELECT evtrack.seal(%s, %s)", job, row["submitter"])
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True


def test_an_upload_without_a_valid_line_finishes_at_once(client: Client) -> None:
    (made,) = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)
    job, token = made["job_id"], made["submitter_token"]
    client.one("SELECT evtrack.add_batches(%s, %s, 1, '{}', '{}', '{}', '{}', 99, 7)", job, token)
    client.one("SELECT evtrack.seal(%s, %s)", job, token)
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    (row,) = client.rows("SELECT percent, total, invalid FROM evtrack.job_progress WHERE job_id = %s", job)
    assert (100.0, 7, 7) == (row["percent"], row["total"], row["invalid"])


# The clock of the server


@pytest.mark.parametrize(
    "steps", [["40 s"], ["25 s"], ["25 s", "25 s"], ["40 s", "1 hour"], ["-40 s"], ["-1 hour", "2 hours"]]
)
def test_nobody_is_lost_when_the_clock_steps(client: Client, dsn_of_workers: str, steps: list[str]) -> None:
    job, worker, behind_a_pooler = client.job(2), client.worker(), client.worker()
    with session(dsn_of_workers, worker) as held:
        held.handler = client.handler
        held.claim(worker, job, fresh=1)
        client.claim(behind_a_pooler, job)
        assert [] == reap(client, "5 s", "30 s")
        for by in steps:
            step(client, by)
            assert [] == reap(client, "5 s", "30 s")
            assert [] == reap(client, "5 s", "30 s")
    assert {BatchStatus.RUNNING} == {batch.status for batch in client.batches(job).values()}


def test_a_gone_session_counts_from_when_the_clock_ran_steadily_again(client: Client, dsn_of_workers: str) -> None:
    worker = client.worker()
    with session(dsn_of_workers, worker):
        pass
    eventually(lambda: seen_gone(client, worker) is not None)
    step(client, "40 s")
    assert [] == reap(client, "0 s", "30 s")
    client.conn.execute("UPDATE evtrack.upkeep SET steady_since = steady_since - interval '6 s'")
    assert [(worker, "session gone", 0)] == reap(client, "0 s", "30 s")


def test_a_stopped_process_is_lost_after_its_lease(client: Client, dsn_of_workers: str) -> None:
    worker = client.worker()
    with session(dsn_of_workers, worker):
        for _ in range(10):
            # Ten times 3.1 seconds pass between reapings, and no heartbeat comes.
            assert [] == reap(client, "5 s", "30 s")
            step(client, "3.1 s")
        assert [(worker, "no heartbeat", 0)] == reap(client, "5 s", "30 s")


def test_a_dead_worker_is_lost_after_its_lease_though_the_clock_went_back_an_hour(client: Client) -> None:
    worker = client.worker()
    assert [] == reap(client, "5 s", "30 s")
    step(client, "-1 hour")
    assert [] == reap(client, "5 s", "30 s")
    for _ in range(10):
        assert [] == reap(client, "5 s", "30 s")
        step(client, "3.1 s")
    assert [(worker, "no heartbeat", 0)] == reap(client, "5 s", "30 s")


def test_a_job_is_not_abandoned_when_the_clock_steps(client: Client) -> None:
    job = submission(client)
    assert [] == reap(client, "0 s", "30 s")
    client.conn.execute("UPDATE evtrack.job SET created_at = created_at - interval '40 s' WHERE job_id = %s", [job])
    step(client, "40 s")
    reap(client, "0 s", "30 s")
    assert "open" == client.phase(job)


def test_reaping_writes_its_time_twice_a_second_at_most(client: Client) -> None:
    reap(client)
    written = client.one("SELECT xmin::text FROM evtrack.upkeep")
    started = client.one("SELECT reaped_at FROM evtrack.upkeep")
    while client.one("SELECT clock_timestamp() - %s < interval '0.3 s'", started):
        reap(client)
        assert written == client.one("SELECT xmin::text FROM evtrack.upkeep")
