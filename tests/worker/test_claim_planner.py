"""Which jobs a claim names, and where it starts."""

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.runtime.worker.database.claim_planner import IDLE_S, MAX_JOBS, REFRESH_S, ClaimPlanner
from evtrack.storage.queue.records import Claimable


def listed(*jobs: tuple[int, int, int | None, bool]) -> ClaimPlanner:
    claims = ClaimPlanner()
    claims.refresh([Claimable(*job) for job in jobs], now=100.0, took_s=0.0)
    return claims


def claimed(job_id: int, batch_no: int, attempt: int = 1) -> ClaimedBatch:
    return ClaimedBatch(job_id, batch_no, attempt, b"h", b"{[1,2)}", b"k", b"{}", None, None)


def test_only_jobs_of_the_highest_priority_are_claimed() -> None:
    claims = listed((1, 5, 1, False), (2, 5, 1, False), (3, 0, 1, False))
    assert [1, 2] == claims.candidates(100.0)
    assert {1, 2, 3} == claims.listed


def test_with_many_jobs_each_gets_its_turn() -> None:
    claims = listed(*((job, 0, 1, False) for job in range(100)))
    seen: set[int] = set()
    for _ in range(2):
        jobs = claims.candidates(100.0)
        assert len(jobs) == MAX_JOBS
        claims.plan(jobs, 10)
        seen.update(jobs)
    assert set(range(100)) == seen


def test_with_few_jobs_each_claim_starts_with_another_job() -> None:
    claims = listed((1, 0, 1, False), (2, 0, 1, False))
    firsts = []
    for _ in range(3):
        jobs = claims.candidates(100.0)
        firsts.append(jobs[0])
        claims.plan(jobs, 1)
    assert [1, 2, 1] == firsts


def test_a_claim_starts_after_the_last_claimed_batch() -> None:
    claims = listed((1, 0, 11, False))
    assert [10] == claims.plan([1], 500).after
    claims.record([claimed(1, 11), claimed(1, 12)], 100.0)
    assert [12] == claims.plan([1], 500).after
    claims.refresh([Claimable(1, 0, 11, False)], now=101.0, took_s=0.0)
    assert [10] == claims.plan([1], 500).after, "what another worker gave back shows again"


def test_a_retried_batch_hides_no_new_one() -> None:
    claims = listed((1, 0, 11, True))
    claims.plan([1], 500)
    claims.record([claimed(1, 900, attempt=2)], 100.0)
    assert [10] == claims.plan([1], 500).after


def test_retried_batches_get_a_bounded_share() -> None:
    both = listed((1, 0, 1, True)).plan([1], 100)
    assert (75, 25) == (both.max_new, both.max_retried)
    fresh = listed((1, 0, 1, False)).plan([1], 100)
    assert (100, 0) == (fresh.max_new, fresh.max_retried)
    returning = listed((1, 0, None, True)).plan([1], 100)
    assert (0, 100) == (returning.max_new, returning.max_retried)
    one = listed((1, 0, 1, True)).plan([1], 1)
    assert 1 == one.max_new + one.max_retried


def test_the_list_of_jobs_is_refreshed_in_time() -> None:
    busy, idle = listed((1, 0, 1, False)), listed()
    assert not busy.is_stale(100.0)
    assert busy.is_stale(100.0 + REFRESH_S)
    assert not idle.is_stale(100.0 + REFRESH_S)
    assert idle.is_stale(100.0 + IDLE_S)
    idle.expire()
    assert idle.is_stale(100.0)


def test_a_partial_claim_makes_the_list_stale_and_an_empty_one_waits() -> None:
    claims = listed((1, 0, 1, False))
    claims.plan([1], 10)
    claims.record([claimed(1, 1)], 100.0)
    assert claims.is_stale(100.0)
    claims.refresh([Claimable(1, 0, 2, False)], now=100.0, took_s=0.0)
    claims.plan([1], 10)
    claims.record([], 100.0)
    assert [] == claims.candidates(100.0), "all taken by others: not again at once"
    assert [1] == claims.candidates(101.0)


def test_a_worker_that_holds_nothing_claims_nothing_but_what_needs_it_for_itself() -> None:
    claims = listed((1, 0, 1, True))
    claims.refresh([Claimable(1, 0, 1, True, isolated=True)], now=100.0, took_s=0.0)
    busy = claims.plan([1], 8, takes_alone=True, is_free=False)
    assert (6, 2, 1) == (busy.max_new, busy.max_retried, busy.max_isolated)
    reserved = claims.plan([1], 8, takes_alone=False, is_free=True)
    assert (6, 2, 0) == (reserved.max_new, reserved.max_retried, reserved.max_isolated)
    free = claims.plan([1], 8, takes_alone=True, is_free=True)
    assert (0, 0, 1) == (free.max_new, free.max_retried, free.max_isolated)
    claims.record([], 100.0)
    assert [1] == claims.candidates(100.0), "others have taken it; this worker does not wait"
    again = claims.plan([1], 8, takes_alone=True, is_free=True)
    assert (6, 2, 0) == (again.max_new, again.max_retried, again.max_isolated)


def test_a_job_with_nothing_but_what_is_not_taken_now_hides_no_less_urgent_one() -> None:
    claims = ClaimPlanner()
    jobs = [Claimable(1, 5, None, True, isolated=True), Claimable(2, 0, 1, False)]
    claims.refresh(jobs, now=100.0, took_s=0.0, takes_alone=False)
    assert ([2], {1, 2}) == (claims.candidates(100.0), claims.listed)
    claims.refresh(jobs, now=100.0, took_s=0.0, takes_alone=True)
    assert [1] == claims.candidates(100.0)
    claims.refresh(jobs[:1], now=100.0, took_s=0.0, takes_alone=False)
    assert not claims.is_empty, "it may not be taken for drained"
