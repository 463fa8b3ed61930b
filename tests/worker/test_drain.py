"""A worker that drains ends when nothing is left to do for it, neither now nor later."""

import pytest

from client import Client
from evtrack.runtime.worker.database.claim_planner import ClaimPlanner
from evtrack.storage.queue.records import Claimable
from slot_driver import claimed_batch
from workers import drain, submit

integration = pytest.mark.integration


@integration
def test_it_waits_for_a_batch_that_is_tried_again_later(queue: Client, dsn: str) -> None:
    job = submit(queue, '{"do": "raise once"}', "{}", backoff_s=2)
    drain(dsn, only=["scripted"])
    assert "finished" == queue.one("SELECT phase::text FROM evtrack.job WHERE job_id = %s", job)
    assert 2 == queue.one("SELECT done FROM evtrack.job_status WHERE job_id = %s", job)


@integration
def test_it_does_not_wait_for_a_job_that_is_suspended_or_has_another_handler(queue: Client, dsn: str) -> None:
    submit(queue, "{}", handler="absent")
    suspended, worker = submit(queue, "{}", backoff_s=60), queue.worker()
    queue.fail(worker, queue.claim(worker, suspended))
    queue.one("SELECT evtrack.suspend(%s)", suspended)
    drain(dsn, only=["scripted"])
    assert 2 == queue.one("SELECT count(*) FROM evtrack.job WHERE phase = 'sealed'")


def test_after_a_reconnect_batches_are_looked_for_from_the_first_number_on() -> None:
    planner = ClaimPlanner()
    planner.refresh([Claimable(7, 0, 1, due=False)], now=0.0, took_s=0.0)
    planner.plan(planner.candidates(0.0), 1)
    planner.record([claimed_batch({}, batch_no=90)], 0.0)
    assert {7: 91} == planner.low_water_marks
    planner.forget_marks()
    assert ({7: 1}, True) == (planner.low_water_marks, planner.is_stale(0.0)), "a failover may have lost the claims"


def test_after_a_refused_claim_jobs_are_named_one_by_one_and_then_more_again() -> None:
    planner = ClaimPlanner()
    planner.refresh([Claimable(job_id, 0, 1, due=False) for job_id in range(1, 9)], now=0.0, took_s=0.0)
    planner.narrow()
    named = []
    for _ in range(3):
        jobs = planner.candidates(0.0)
        planner.plan(jobs, 1)
        named.append(jobs)
        planner.record([claimed_batch({}, batch_no=1)], 0.0)
    assert [1, 2, 4] == [len(jobs) for jobs in named]
    assert named[0] == [1]
    assert named[1][0] == 2
