"""claimable and claim: which worker gets which batches in which order, and when it gets none."""

import psycopg
import pytest

from client import Claim, Client
from evtrack.domain.states import BatchStatus
from old_jobs import days_ago, old_job

pytestmark = pytest.mark.integration


def claimable(
    client: Client, jobs: list[int] | None = None, marks: list[int] | None = None
) -> list[tuple[int, int | None]]:
    """Return (job, mark) as claimable has them."""
    rows = client.rows(
        "SELECT * FROM evtrack.claimable(%s::text[], %s::bigint[], %s::int[])",
        [client.handler],
        jobs or [],
        marks or [],
    )
    return [(row["job_id"], row["mark"]) for row in rows]


def test_a_claim_gives_the_items_in_order_and_counts_the_attempt(client: Client) -> None:
    job, worker = client.job(2, items=3), client.worker()
    (row,) = client.claimed(worker, job, fresh=1)
    assert {
        "job_id": job,
        "batch_no": 1,
        "attempt": 1,
        "handler": client.handler,
        "item_count": 3,
        "ordinals": "{[1,4)}",
        "losses": 0,
        "isolation": "none",
        "policy": None,
        "item_keys": "key:1\nkey:2\nkey:3",
        "payload": '{"n": 1}\n{"n": 2}\n{"n": 3}',
    } == {key: value for key, value in row.items() if key != "job_day"}
    assert ["enqueued", "started"] == client.types(job)
    assert (BatchStatus.RUNNING, 1, worker) == (
        client.batch(job).status,
        client.batch(job).attempt,
        client.batch(job).worker_id,
    )
    client.check(job)


def test_a_claim_includes_the_policy_of_the_job(client: Client) -> None:
    job = client.job(timeout_s=2.5)
    (row,) = client.claimed(client.worker(), job)
    assert {"timeout_s": 2.5} == row["policy"]


def test_nothing_is_claimed_twice(client: Client, other: Client) -> None:
    job = client.job(5)
    first = client.claim(client.worker(), job, fresh=3)
    second = other.claim(other.worker(), job)
    assert [1, 2, 3] == [claim.batch_no for claim in first]
    assert [4, 5] == [claim.batch_no for claim in second]
    assert [] == client.claim(client.worker(), job)


def test_a_claim_skips_batches_that_another_session_is_claiming(client: Client, other: Client) -> None:
    job, worker = client.job(4), client.worker()
    with other.conn.transaction():
        taken = other.claim(other.worker(), job, fresh=2)
        assert [3, 4] == [claim.batch_no for claim in client.claim(worker, job, fresh=4)]
    assert [1, 2] == [claim.batch_no for claim in taken]


def test_jobs_share_a_claim_equally_and_earlier_jobs_get_the_rest(client: Client) -> None:
    jobs = [client.job(10) for _ in range(3)]
    claims = client.claim(client.worker(), *jobs, fresh=8)
    assert [3, 3, 2] == [sum(claim.job_id == job for claim in claims) for job in jobs]


def test_a_small_job_is_not_delayed_by_an_earlier_large_one(client: Client) -> None:
    large, small = client.job(500), client.job(1)
    assert [(large, 1), (small, 1)] == claimable(client)
    claims = client.claim(client.worker(), large, small, fresh=10)
    assert Claim(small, 1, 1) in claims
    assert 5 == sum(claim.job_id == large for claim in claims)


def test_the_job_with_the_higher_priority_is_listed_first(client: Client) -> None:
    low, normal, urgent = client.job(priority=-1), client.job(), client.job(priority=5)
    assert [urgent, normal, low] == [job for job, _ in claimable(client)]


def test_the_search_starts_after_the_last_batch_known_to_the_worker(client: Client) -> None:
    job, worker = client.job(6), client.worker()
    assert [4, 5] == [claim.batch_no for claim in client.claim(worker, job, fresh=2, after=3)]
    assert [(job, 1)] == claimable(client)
    assert [(job, 6)] == claimable(client, [job], [4])


def test_a_worker_gets_only_jobs_of_its_handlers(client: Client) -> None:
    job = client.job()
    stranger = Client(client.conn, "another handler")
    assert [] == stranger.claim(stranger.worker(), job)
    assert [] == claimable(stranger)


def test_a_job_suspended_meanwhile_is_not_claimed(client: Client) -> None:
    job, worker = client.job(3), client.worker()
    (claim,) = client.claim(worker, job, fresh=1)
    assert client.one("SELECT evtrack.suspend(%s)", job) is True
    assert [] == claimable(client)
    # A worker that has not heard of it yet still names the job.
    assert [] == client.claim(worker, job)
    assert ["ok"] == client.complete(worker, [claim])
    assert client.one("SELECT evtrack.resume(%s)", job) is True
    assert 2 == len(client.claim(worker, job))


def test_retried_batches_of_a_suspended_job_wait_too(client: Client) -> None:
    job, worker = client.job(), client.worker()
    client.requeue(worker, client.claim(worker, job))
    client.one("SELECT evtrack.suspend(%s)", job)
    assert [] == client.claim(worker, job)
    client.one("SELECT evtrack.resume(%s)", job)
    assert [Claim(job, 1, 2)] == client.claim(worker, job)


def test_a_retried_batch_waits_until_it_is_due(client: Client) -> None:
    job, worker = client.job(backoff_s=300), client.worker()
    assert ["retry"] == client.fail(worker, client.claim(worker, job))
    assert [] == client.claim(worker, job)
    assert [] == claimable(client)


def test_retried_batches_are_claimed_oldest_first_up_to_a_limit(client: Client) -> None:
    job, worker = client.job(3), client.worker()
    claims = client.claim(worker, job)
    for claim in (claims[2], claims[0], claims[1]):
        client.requeue(worker, [claim])
    assert [(job, None)] == claimable(client)
    assert [Claim(job, 3, 2), Claim(job, 1, 2)] == client.claim(worker, job, returning=2)
    assert [Claim(job, 2, 2)] == client.claim(worker, job)


def test_an_open_job_is_processed_while_it_is_submitted(client: Client) -> None:
    job = client.job(2)
    client.check(job)
    made = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)[0]
    with client.conn.transaction():
        client.conn.execute(
            "INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)"
            " VALUES (%s, %s, 1, 1, 'a', '1')",
            [made["job_day"], made["job_id"]],
        )
        client.one(
            "SELECT evtrack.add_batches(%s, %s, 1, '{1}', '{1}', '{1}')", made["job_id"], made["submitter_token"]
        )
    assert [Claim(made["job_id"], 1, 1)] == client.claim(client.worker(), made["job_id"])


@pytest.mark.parametrize("phase", ["finished", "cancelled"])
def test_a_finished_job_has_nothing_to_claim(client: Client, phase: str) -> None:
    job, worker = client.job(), client.worker()
    if phase == "cancelled":
        client.one("SELECT evtrack.cancel(%s)", job)
    else:
        client.complete(worker, client.claim(worker, job))
        client.one("SELECT evtrack.finish_due(%s)", job)
    assert phase == client.phase(job)
    assert [] == client.claim(worker, job)
    assert [] == claimable(client)


def test_a_deleted_payload_is_null(client: Client) -> None:
    job = client.job(items=2)
    client.conn.execute("UPDATE evtrack.payload SET payload = NULL WHERE job_id = %s AND ordinal = 1", [job])
    (row,) = client.claimed(client.worker(), job)
    assert 'null\n{"n": 2}' == row["payload"]


def test_a_missing_job_is_skipped(client: Client) -> None:
    job = client.job()
    assert [Claim(job, 1, 1)] == client.claim(client.worker(), 999_999_999, job)


def test_an_unregistered_worker_is_refused(client: Client) -> None:
    with pytest.raises(psycopg.Error, match="no such worker: 999999") as caught:
        client.claim(999_999, client.job())
    assert "EV003" == caught.value.sqlstate


@pytest.mark.parametrize(("column", "says"), [("lost_at", "was declared lost"), ("stopped_at", "stopped")])
def test_a_lost_or_stopped_worker_is_refused(client: Client, column: str, says: str) -> None:
    job, worker = client.job(), client.worker()
    client.conn.execute(f"UPDATE evtrack.worker SET {column} = now() WHERE worker_id = %s", [worker])
    with pytest.raises(psycopg.Error, match=says) as caught:
        client.claim(worker, job)
    assert "EV006" == caught.value.sqlstate
    assert client.one("SELECT evtrack.heartbeat(%s, 1)", worker) is False
    assert [Claim(job, 1, 1)] == client.claim(client.worker(), job)


def test_a_heartbeat_reports_how_busy_a_worker_is(client: Client) -> None:
    worker = client.worker()
    assert client.one("SELECT evtrack.heartbeat(%s, 2)", worker) is True
    assert client.one("SELECT evtrack.heartbeat(%s)", worker) is True
    assert 2 == client.one("SELECT busy FROM evtrack.worker WHERE worker_id = %s", worker)
    client.one("SELECT evtrack.stop_worker(%s)", worker)
    assert client.one("SELECT evtrack.heartbeat(%s)", worker) is False


def test_limits_hold_for_jobs_of_several_days_together(own_client: Client) -> None:
    """New, retried and isolated batches of four days in one claim: not a share for each day, but one for all."""
    client = own_client
    jobs = [old_job(client, days_ago(days), 6, max_errors=9, backoff_s=0) for days in (0, 1, 5, 20)]
    worker = client.worker()
    claims = client.claim(worker, *jobs, fresh=12)
    assert 12 == len(claims)
    client.fail(worker, claims)
    for job in jobs[:3]:
        client.conn.execute(
            "UPDATE evtrack.batch SET isolation = 'exclusive' WHERE job_id = %s AND batch_no = 1", [job]
        )

    def numbers(*, fresh: int, returning: int, isolated: int | None) -> tuple[int, int, int]:
        rows = client.rows(
            "SELECT attempt, isolation::text FROM evtrack.claim(%s, %s, %s, %s, %s, %s, %s)",
            worker,
            jobs,
            [0] * len(jobs),
            fresh,
            [client.handler],
            returning,
            isolated,
        )
        alone = sum(row["isolation"] == "exclusive" for row in rows)
        return sum(row["attempt"] == 1 for row in rows), sum(row["attempt"] > 1 for row in rows) - alone, alone

    # In any order of the days, one of which has no isolated batch.
    new, retried, alone = numbers(fresh=3, returning=2, isolated=None)
    assert (3, 2, True) == (new, retried + alone, alone <= 1)
    assert (0, 0, 1) == numbers(fresh=0, returning=0, isolated=1)
    assert (5, 3, 0) == numbers(fresh=5, returning=3, isolated=0)
    assert (4, 12 - 6 - retried, 3 - 1 - alone) == numbers(fresh=100, returning=100, isolated=9)
