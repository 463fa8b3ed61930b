"""A pool has a slot that has run nothing for whoever needs one, whichever slots have worked."""

from served_pool import served_pool
from slot_driver import claimed_batch


def test_there_is_a_fresh_slot_again_after_the_spare_has_worked_too() -> None:
    with served_pool(count=2) as served:
        pool = served.pool
        assert pool.take_fresh() is None, "a spare is started for whoever asks"
        served.serve_until(lambda: len(list(pool)) == 3 and all(slot.kinds for slot in pool))
        # As when the second one was ready after the third, and all three have run shared batches by now.
        for number, slot in enumerate(pool, start=1):
            slot.assign([claimed_batch({"return": 1}, batch_no=number)], 0.0)
        served.await_ended(3)
        assert not pool.has_fresh
        served.serve_until(lambda: pool.has_fresh)
        assert pool.take_fresh() is not None
        assert len(pool.working) == 2
