"""How many batches are claimed: few if they are unknown or slow, many if they are fast, up to a limit."""

import pytest

from evtrack.runtime.worker.pacing import HORIZON_S, MAX_CLAIM, MAX_HELD, Pacing, Room
from slot_driver import claimed_batch


def learned(seconds: float, *, job_bytes: int = 10) -> Pacing:
    pacing = Pacing()
    rows = [claimed_batch("x" * job_bytes)] * 10
    pacing.learn_sizes(rows)
    pacing.learn_run_times(rows, [seconds] * 10)
    return pacing


def wish(pacing: Pacing, *, slots: int = 1, idle: int = 1, held: int = 0, held_s: float = 0.0) -> int:
    room = Room(slots, idle, held, held_s, run_s=pacing.run_s, batch_bytes=pacing.batch_bytes)
    return room.claim_size([7], may_be_small=True)


def test_each_slot_takes_one_batch_of_an_unknown_job() -> None:
    assert 1 == wish(Pacing())
    assert 4 == wish(Pacing(), slots=4, idle=4)


def test_fast_batches_are_claimed_in_large_bounded_groups() -> None:
    assert MAX_CLAIM == wish(learned(1e-6))
    assert MAX_HELD - 900 == wish(learned(1e-6), held=900)
    assert 0 == wish(learned(1e-6), held=MAX_HELD, idle=0)


def test_a_claim_posted_ahead_expects_as_much_as_the_one_before_may_bring() -> None:
    fast, slow = (Room(1, 1, run_s=learned(seconds).run_s, takes_alone=True) for seconds in (1e-6, 0.01))
    assert MAX_HELD - MAX_CLAIM == fast.after_claim([7]).claim_size([7], may_be_small=True)
    assert 0 == fast.after_claim([7]).after_claim([7]).claim_size([7], may_be_small=True)
    assert 0 == slow.after_claim([7]).claim_size([7], may_be_small=True)
    assert not fast.after_claim([7]).takes_alone


@pytest.mark.parametrize("seconds", [0.01, 0.02, 0.1])
def test_the_backlog_of_a_worker_stays_within_the_horizon(seconds: float) -> None:
    count = wish(learned(seconds))
    assert HORIZON_S / seconds - 1 <= count <= HORIZON_S / seconds


def test_slow_batches_are_claimed_only_for_idle_slots() -> None:
    assert 2 == wish(learned(60.0), slots=3, idle=2, held=1, held_s=60.0)
    assert 0 == wish(learned(60.0), idle=0, held=1, held_s=60.0)


def test_large_batches_are_limited_by_size() -> None:
    assert 6 == wish(learned(1e-6, job_bytes=300_000))
    assert 1 == wish(learned(1e-6, job_bytes=300_000), held=6), "an idle slot gets one all the same"


def test_a_job_that_becomes_slow_is_noticed() -> None:
    pacing = learned(1e-6)
    for _ in range(10):
        pacing.learn_run_times([claimed_batch({})], [1.0])
    assert 1 == wish(pacing)


def test_the_memory_of_past_jobs_is_bounded() -> None:
    pacing = Pacing()
    for job_id in range(10_000):
        pacing.learn_run_times([claimed_batch({})._replace(job_id=job_id)], [1.0])
    assert 4096 == len(pacing.run_s)


@pytest.mark.parametrize(("count", "idle"), [(0, 0), (2, 1)])
def test_a_small_claim_waits_until_slots_are_idle_soon(count: int, idle: int) -> None:
    room = Room(1, idle, 3, 0.3, run_s={7: 0.1})
    assert (2, count) == (room.claim_size([7], may_be_small=True), room.claim_size([7]))


def test_what_is_learned_later_does_not_change_a_room() -> None:
    pacing = learned(60.0)
    room = Room(1, 1, run_s=pacing.run_s)
    pacing.learn_run_times([claimed_batch({})] * 500, [1e-6] * 500)
    assert {7: 60.0} == room.run_s
