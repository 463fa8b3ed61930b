"""Which slot gets which batch: a batch that lost a worker runs alone."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.runtime.worker.dispatcher import Dispatcher
from evtrack.runtime.worker.outcomes.outcome_buffer import OutcomeBuffer
from slot_driver import claimed_batch


class FakeSlot:
    """A slot that takes whatever it is given."""

    def __init__(self) -> None:
        self.held: deque[ClaimedBatch] = deque()
        self.expected_s = 0.0

    def assign(self, rows: Sequence[ClaimedBatch], expected_s: float) -> None:
        self.held.extend(rows)
        self.expected_s += expected_s

    def numbers(self) -> list[int]:
        return [held.batch_no for held in self.held]


class FakeSlots:
    """A number of slots without processes."""

    def __init__(self, count: int) -> None:
        self.working = [FakeSlot() for _ in range(count)]

    def remaining_batches(self, _: Any) -> int:
        return 1000

    def watch_writes(self, _: Any) -> None:
        pass

    def dealt(self) -> list[list[int]]:
        return [slot.numbers() for slot in self.working]


def batch(number: int, losses: int = 0) -> ClaimedBatch:
    return claimed_batch({}, batch_no=number)._replace(isolation=b"exclusive" if losses else None)


def bench(slots: FakeSlots) -> Dispatcher:
    one = Dispatcher(OutcomeBuffer())
    one.attach(slots)  # type: ignore[arg-type]  it knows no more of them than this
    one.pacing.learn_run_times([batch(0)], [0.001])
    return one


def test_batches_are_shared_among_the_slots() -> None:
    slots = FakeSlots(2)
    one = bench(slots)
    one.add([batch(number) for number in range(1, 5)])
    one.assign()
    assert [[1, 2], [3, 4]] == slots.dealt()


def test_a_batch_that_lost_a_worker_is_given_to_an_empty_slot() -> None:
    slots = FakeSlots(3)
    one = bench(slots)
    one.add([batch(1), batch(2, losses=1), batch(3), batch(4)])
    one.assign()
    assert [[1, 4], [2], [3]] == slots.dealt()


def test_a_batch_that_lost_a_worker_waits_for_an_empty_slot_and_runs_alone() -> None:
    slots = FakeSlots(1)
    one = bench(slots)
    one.add([batch(1), batch(2, losses=1), batch(3)])
    one.assign()
    assert [[1]] == slots.dealt()
    one.assign()
    assert [[1]] == slots.dealt(), "the slot is not empty yet"
    slots.working[0].held.clear()
    one.assign()
    assert [[2]] == slots.dealt()
    one.assign()
    assert [[2]] == slots.dealt(), "what comes after it waits until it is over"
    slots.working[0].held.clear()
    one.assign()
    assert [[3]] == slots.dealt()
