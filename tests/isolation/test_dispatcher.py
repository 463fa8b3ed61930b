"""Which slot gets which batch: some run alone in their slot, some in a fresh one, some alone in the worker."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.runtime.slot.protocol import BatchesDone, ItemMark
from evtrack.runtime.worker import assigner
from evtrack.runtime.worker.dispatcher import Dispatcher
from evtrack.runtime.worker.outcomes.outcome_buffer import OutcomeBuffer
from slot_driver import claimed_batch


class FakeSlot:
    """A slot that takes whatever it is given."""

    def __init__(self, pid: int, kind: str = "item") -> None:
        self.pid = pid
        self.held: deque[ClaimedBatch] = deque()
        self.first = 1
        self.finished = 0
        self.expected_s = 0.0
        self.is_retired = False
        self.killed_for: str | None = None
        self._kind = kind

    @property
    def is_fresh(self) -> bool:
        return not self.finished and not self.held

    def kind_of(self, _: ClaimedBatch) -> str:
        return self._kind

    def assign(self, rows: Sequence[ClaimedBatch], expected_s: float) -> None:
        self.held.extend(rows)
        self.expected_s += expected_s

    def release(self, count: int) -> list[ClaimedBatch]:
        self.first += count
        self.finished += count
        return [self.held.popleft() for _ in range(count)]

    def kill(self, *, reason: str) -> None:
        self.killed_for = reason

    def numbers(self) -> list[int]:
        return [held.batch_no for held in self.held]


class FakeSlots:
    """A number of slots without processes, and perhaps a spare."""

    def __init__(self, count: int, *, spares: int = 0, kind: str = "item") -> None:
        self.living = [FakeSlot(pid, kind) for pid in range(1, count + spares + 1)]
        self.count = count
        self.retired: list[int] = []

    @property
    def working(self) -> list[FakeSlot]:
        return self.living[: self.count]

    def __iter__(self) -> Iterator[FakeSlot]:
        """Iterate over all slots."""
        return iter(self.living)

    @property
    def has_fresh(self) -> bool:
        return any(slot.is_fresh for slot in self.living)

    def take_fresh(self) -> FakeSlot | None:
        fresh = next((slot for slot in self.living if slot.is_fresh), None)
        if fresh is None or fresh in self.working:
            return fresh
        idle = next((slot for slot in self.working if not slot.held), None)
        if idle is None:
            return None
        self.retired.append(idle.pid)
        self.living.remove(idle)
        return fresh

    def remaining_batches(self, _: Any) -> int:
        return 1000

    def watch_writes(self, _: Any) -> None:
        pass

    def dealt(self) -> list[list[int]]:
        return [slot.numbers() for slot in self.working]


def batch(number: int, isolation: bytes | None = None) -> ClaimedBatch:
    return claimed_batch({}, batch_no=number)._replace(isolation=isolation)


def bench(slots: FakeSlots) -> Dispatcher:
    one = Dispatcher(OutcomeBuffer())
    one.attach(slots)  # type: ignore[arg-type]  it knows no more of them than this
    one.pacing.learn_run_times([batch(0)], [0.001])
    return one


def finish(one: Dispatcher, slot: FakeSlot) -> None:
    """Let a slot report that all its batches are done."""
    count = len(slot.held)
    one.on_frame(slot, BatchesDone(slot.first, [0.001] * count, None))  # type: ignore[arg-type]  as above
    slot.expected_s = 0.0


def test_batches_are_shared_among_the_slots() -> None:
    slots = FakeSlots(2)
    one = bench(slots)
    one.add([batch(number) for number in range(1, 5)])
    one.assign()
    assert [[1, 2], [3, 4]] == slots.dealt()


@pytest.mark.parametrize("isolation", [b"marked", b"fresh_slot"])
def test_a_batch_that_needs_a_slot_for_itself_gets_an_empty_one(isolation: bytes) -> None:
    slots = FakeSlots(3)
    one = bench(slots)
    one.add([batch(1), batch(2, isolation), batch(3), batch(4)])
    one.assign()
    assert [[2], [1, 3], [4]] == slots.dealt()


def test_a_suspect_waits_for_an_empty_slot_which_takes_nothing_more_until_then() -> None:
    slots = FakeSlots(1)
    one = bench(slots)
    one.add([batch(1)])
    one.assign()
    one.add([batch(2, b"marked"), batch(3)])
    one.assign()
    assert [[1]] == slots.dealt(), "the slot is not empty yet"
    finish(one, slots.working[0])
    one.assign()
    assert [[2]] == slots.dealt()
    one.assign()
    assert [[2]] == slots.dealt(), "what comes after it waits until it is over"
    finish(one, slots.working[0])
    one.assign()
    assert [[3]] == slots.dealt()


def test_a_retried_batch_takes_the_place_of_an_idle_slot_once_a_spare_is_ready() -> None:
    slots = FakeSlots(1)
    slots.living[0].finished = 5
    one = bench(slots)
    one.add([batch(1, b"fresh_slot"), batch(2)])
    one.assign()
    assert [[2]] == slots.dealt(), "the used slot is not kept idle while there is no spare"
    slots.living.append(FakeSlot(9))
    one.add([batch(3)])
    one.assign()
    assert [[2]] == slots.dealt(), "it gets no more, so that it can be replaced"
    finish(one, slots.working[0])
    one.assign()
    assert ([[1]], [1]) == (slots.dealt(), slots.retired)


def test_a_program_needs_no_fresh_slot() -> None:
    slots = FakeSlots(1, spares=1, kind="command")
    slots.living[0].finished = 5
    one = bench(slots)
    one.add([batch(1, b"fresh_slot")])
    one.assign()
    assert ([[1]], []) == (slots.dealt(), slots.retired)


@pytest.mark.parametrize("isolation", [b"memory", b"exclusive"])
def test_a_worker_that_belongs_to_one_batch_runs_and_claims_nothing_else(isolation: bytes) -> None:
    slots = FakeSlots(3)
    one = bench(slots)
    one.add([batch(1), batch(2, isolation), batch(3)])
    room = one.room(0.0)
    assert (True, 0, False, False) == (room.is_reserved, room.idle, room.is_there, room.takes_alone)
    assert 0 == room.claim_size([7], may_be_small=True), "it claims no more"
    one.assign()
    assert [[1], [3], []] == slots.dealt()
    one.assign()
    finish(one, slots.working[0])
    one.assign()
    assert [[], [3], []] == slots.dealt(), "the other slot is still busy"
    finish(one, slots.working[1])
    one.assign()
    assert [[], [], [2]] == slots.dealt(), "the only slot that has run nothing"
    one.add([batch(4)])
    one.assign()
    assert [[], [], [2]] == slots.dealt()
    finish(one, slots.working[2])
    assert not one.room(0.0).is_reserved
    one.assign()
    assert [[4], [], []] == slots.dealt()


def test_a_slot_that_still_runs_a_batch_holds_an_exclusive_one_back_even_if_it_works_no_more() -> None:
    slots = FakeSlots(1, spares=1)
    slots.living[1].held.append(batch(7))
    one = bench(slots)
    one.add([batch(1, b"exclusive")])
    one.assign()
    assert [[]] == slots.dealt()
    slots.living[1].held.clear()
    one.assign()
    assert [[1]] == slots.dealt()


def test_an_exclusive_batch_that_finds_no_slot_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(assigner, "monotonic", lambda: clock[0])
    slots = FakeSlots(2)
    one = bench(slots)
    one.add([batch(1, b"exclusive")])
    slots.living.clear()  # they crash in a loop
    one.assign()
    clock[0] += assigner.STUCK_S + 1
    one.assign()
    assert [(batch(1).key,)] == one.outcomes.take().returned
    assert not one.room(0.0).is_reserved
    slots.living.append(FakeSlot(9))
    assert not one.room(clock[0]).takes_alone, "not at once again"
    assert one.room(clock[0] + assigner.STUCK_S).takes_alone


def test_a_stop_gives_back_what_has_not_begun() -> None:
    slots = FakeSlots(1)
    one = bench(slots)
    one.add([batch(1)])
    one.assign()
    one.add([batch(2, b"exclusive"), batch(3, b"marked"), batch(4, b"fresh_slot")])
    one.close()
    one.add([batch(5)])  # claimed before
    assert {(batch(number).key,) for number in (2, 3, 4, 5)} == set(one.outcomes.take().returned)
    assert [[1]] == slots.dealt()


def test_a_worker_is_free_again_when_its_only_batch_is_lost() -> None:
    slots = FakeSlots(1)
    one = bench(slots)
    one.add([batch(1, b"exclusive")])
    one.drop({batch(1).key})
    assert not one.room(0.0).is_reserved
    one.add([batch(2, b"exclusive")])
    one.assign()
    one.drop({batch(2).key})
    assert "lost" == slots.working[0].killed_for
    one.drop(set())
    one.on_exit(slots.working[0], None)  # type: ignore[arg-type]  it does not matter how
    assert (False, 0) == (one.room(0.0).is_reserved, one.held)


def test_a_mark_is_kept_until_it_is_committed_or_its_slot_has_ended() -> None:
    slots = FakeSlots(1)
    one = bench(slots)
    one.add([batch(1, b"marked")])
    one.assign()
    slot: Any = slots.working[0]
    mark = ItemMark(1, 1, None, b"", 0)
    one.on_frame(slot, mark)
    assert [batch(1).key] == [request.row.batch for request in one.marks.requests()]
    assert one.marks.take(slot.pid, 2) is None, "it is not the mark that was committed"
    slot.killed_for = "stopping"
    one.on_exit(slot, None)  # type: ignore[arg-type]  it does not matter how
    assert not len(one.marks)
