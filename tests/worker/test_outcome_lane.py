"""Outcomes on their way into the database: groups shrink and grow, bad ones are found, locked ones wait aside."""

from collections.abc import Callable, Sequence

import pytest

from evtrack.domain.database_errors import StorageError, TransientError
from evtrack.domain.errors import BadArgument, EvtrackError, WorkerLost
from evtrack.runtime.worker.database.outcome_lane import STRIKES, OutcomeLane

Outcome = tuple[tuple[int, int, int], int]


def outcome(number: int, *, job_id: int = 1, size: int = 1) -> Outcome:
    return (job_id, number, 1), size


class FakeDatabase:
    """Accepts outcomes, unless one of a group has an error.

    Args:
        error_of: Returns the error of an outcome's batch, or None.
    """

    def __init__(self, error_of: Callable[[int], EvtrackError | None] = lambda _: None) -> None:
        self.error_of = error_of
        self.calls: list[int] = []
        self.accepted: list[int] = []
        self.refused: list[int] = []

    def lane(self, *outcomes: Outcome, most: int = 100) -> OutcomeLane[Outcome]:
        lane = OutcomeLane[Outcome](
            most=most,
            most_bytes=100,
            size_of=lambda each: each[1],
            on_refused=lambda each, _: self.refused.append(each[0][1]),
        )
        lane.add(outcomes)
        return lane

    def call(self, group: Sequence[Outcome]) -> None:
        self.calls.append(len(group))
        numbers = [key[1] for key, _ in group]
        for number in numbers:
            if (error := self.error_of(number)) is not None:
                raise error
        self.accepted += numbers


def test_outcomes_are_written_in_groups_bounded_by_number_and_size() -> None:
    database = FakeDatabase()
    database.lane(*(outcome(number) for number in range(250))).write(database.call, 0.0)
    assert ([100, 100, 50], list(range(250))) == (database.calls, database.accepted)
    database = FakeDatabase()
    database.lane(outcome(1, size=60), outcome(2, size=60), outcome(3, size=500), outcome(4)).write(database.call, 0.0)
    assert [1, 1, 1, 1] == database.calls


@pytest.mark.parametrize(
    "error", [BadArgument("no"), StorageError("", sqlstate="22P05"), StorageError("", sqlstate="23514")]
)
def test_the_one_outcome_that_the_database_refuses_is_found_in_few_calls(error: EvtrackError) -> None:
    database = FakeDatabase(lambda number: error if number == 37 else None)
    lane = database.lane(*(outcome(number) for number in range(100)))
    lane.write(database.call, 0.0)
    assert ([37], 99, 0) == (database.refused, len(database.accepted), len(lane))
    assert len(database.calls) < 25


@pytest.mark.parametrize("sqlstate", ["53100", "25006", "57P03", "58030", "08006"])
def test_an_error_of_the_server_keeps_everything_as_it_was(sqlstate: str) -> None:
    database = FakeDatabase(lambda _: StorageError("", sqlstate=sqlstate))
    lane = database.lane(*(outcome(number) for number in range(10)))
    with pytest.raises(StorageError):
        lane.write(database.call, 0.0)
    assert ([10], [], 10, True) == (database.calls, database.refused, len(lane), lane.is_due)


def test_a_lost_worker_keeps_its_outcomes() -> None:
    database = FakeDatabase(lambda _: WorkerLost())
    lane = database.lane(outcome(1))
    with pytest.raises(WorkerLost):
        lane.write(database.call, 0.0)
    assert [(1, 1, 1)] == lane.batches


def test_groups_shrink_while_the_server_lacks_memory() -> None:
    database = FakeDatabase()

    def call(group: Sequence[Outcome]) -> None:
        if len(group) > 20:
            database.calls.append(len(group))
            raise StorageError("out of memory", sqlstate="53200")
        database.call(group)

    lane = database.lane(*(outcome(number) for number in range(100)))
    lane.write(call, 0.0)
    assert (100, 0, []) == (len(database.accepted), len(lane), database.refused)


def test_outcomes_of_a_locked_job_wait_aside_together() -> None:
    locked = [True]
    database = FakeDatabase(lambda number: TransientError("", sqlstate="55P03") if locked[0] and number < 50 else None)
    lane = database.lane(*(outcome(number, job_id=1 if number < 50 else 2) for number in range(60)))
    lane.write(database.call, 0.0)
    assert (list(range(50, 60)), 50, False) == (database.accepted, len(lane), lane.is_due)
    assert 2 == database.calls.index(1) + 1, "each call waits for the lock: few do"
    assert 0 < lane.due_at < 1
    locked[0] = False
    lane.admit(lane.due_at + 1)
    lane.write(database.call, 1.0)
    assert (60, 0) == (len(database.accepted), len(lane))


def test_an_unclear_error_of_one_outcome_counts_against_it_only_if_others_are_accepted() -> None:
    database = FakeDatabase(lambda number: StorageError("", sqlstate="XX001") if number == 1 else None)
    lane = database.lane(outcome(1))
    now = 0.0
    for _ in range(3 * STRIKES):
        lane.admit(now)
        lane.write(database.call, now)
        now = lane.due_at
    assert ([], 1) == (database.refused, len(lane)), "perhaps the database would refuse any"
    lane.add([outcome(2)])
    lane.admit(now)
    lane.write(database.call, now)
    lane.admit(lane.due_at)
    lane.write(database.call, now)
    assert ([1], [2], 0) == (database.refused, database.accepted, len(lane))


def test_a_database_that_refuses_all_is_not_asked_about_each() -> None:
    database = FakeDatabase(lambda _: StorageError("", sqlstate="XX000"))
    lane = database.lane(*(outcome(number) for number in range(100)))
    with pytest.raises(StorageError):
        lane.write(database.call, 0.0)
    assert (100, []) == (len(lane), database.refused)
    assert len(database.calls) < 12


def test_a_deadlock_is_tried_again_soon() -> None:
    errors = [TransientError("", sqlstate="40P01")] * 3
    database = FakeDatabase(lambda _: errors.pop() if errors else None)
    lane = database.lane(outcome(1), outcome(2))
    lane.write(database.call, 0.0)
    lane.admit(0.2)
    lane.write(database.call, 0.2)
    assert (0, {1, 2}) == (len(lane), set(database.accepted))


def test_a_lane_can_be_cleared() -> None:
    database = FakeDatabase(lambda number: TransientError("", sqlstate="40P01") if number == 1 else None)
    lane = database.lane(outcome(1))
    lane.write(database.call, 0.0)
    lane.add([outcome(2)])
    assert [(1, 2, 1), (1, 1, 1)] == lane.batches
    lane.clear()
    assert (0, [], float("inf")) == (len(lane), lane.batches, lane.due_at)
