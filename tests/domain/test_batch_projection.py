"""The pure fold: what each event changes in a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_streams import DERIVED, ENDED, NOON, TEN_ITEMS, WORKER, Stream, fold
from evtrack.domain.batch_projection import MAX_ERROR_CHARACTERS, BatchState
from evtrack.domain.errors import IllegalEvent
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import BATCH_TRANSITIONS, BatchStatus


def test_a_submitted_batch_is_new() -> None:
    assert BatchState(
        status=BatchStatus.PENDING,
        version=1,
        attempt=0,
        fresh=True,
        run_at=None,
        worker_id=None,
        item_count=10,
        weight=30,
        ordinals=Ordinals.parse("{[1,11)}"),
        root_no=None,
        parent_no=None,
        errors=0,
        crashes=0,
        losses=0,
        enqueued_at=Stream.minute(1),
    ) == fold(Stream().events)


def test_no_events_mean_no_batch() -> None:
    assert fold([]) is None


def test_a_derived_batch_is_retried_with_the_counts_of_its_parent() -> None:
    batch = Stream(**DERIVED, error="no").batch
    assert batch is not None
    assert (False, Stream.minute(1)) == (batch.fresh, batch.run_at)
    assert (1, 1, 2, 1, 1, "no") == (
        batch.root_no,
        batch.parent_no,
        batch.errors,
        batch.crashes,
        batch.losses,
        batch.error,
    )
    later = Stream(**DERIVED, run_at=NOON.isoformat()).batch
    assert later is not None
    assert later.run_at == NOON


def test_the_attempt_is_counted_at_the_claim() -> None:
    batch = Stream().start()
    assert (BatchStatus.RUNNING, 1, WORKER, False) == (batch.status, batch.attempt, batch.worker_id, batch.fresh)
    assert (Stream.minute(2), None) == (batch.started_at, batch.finished_at)


def test_a_completed_batch_keeps_its_run_time_and_worker() -> None:
    stream = Stream()
    stream.start()
    batch = stream.then("completed", worker=WORKER, run_s=1.5)
    assert (BatchStatus.COMPLETED, 3, 1.5, Stream.minute(3), WORKER, 10) == (
        batch.status,
        batch.version,
        batch.run_s,
        batch.finished_at,
        batch.worker_id,
        batch.item_count,
    )


@pytest.mark.parametrize("died_first", [False, True])
def test_a_partly_done_batch_keeps_its_completed_items(died_first: bool) -> None:  # noqa: FBT001
    stream = Stream()
    stream.start()
    if died_first:
        stream.then("crashed", worker=WORKER, cause="signal", run_s=2.0)
    moved = {"moved": "{[3,4),[9,11)}", "moved_items": 3, "moved_to": [8]}
    batch = stream.then("completed", worker=WORKER, **moved)
    assert (BatchStatus.COMPLETED, 7, "{[1,3),[4,9)}", None) == (
        batch.status,
        batch.item_count,
        str(batch.ordinals),
        batch.error,
    )
    assert (2.0 if died_first else None) == batch.run_s


def test_a_failure_counts_as_an_error_and_says_why() -> None:
    stream = Stream()
    stream.start()
    batch = stream.then("failed", worker=WORKER, run_s=0.5, error={"type": "ValueError", "message": "x" * 1000})
    assert (BatchStatus.FAILED, 1, 0, 0, "x" * MAX_ERROR_CHARACTERS, 0.5) == (
        batch.status,
        batch.errors,
        batch.crashes,
        batch.losses,
        batch.error,
        batch.run_s,
    )


def test_a_requeued_batch_is_retried_when_due() -> None:
    stream = Stream()
    stream.start()
    stream.then("failed", worker=WORKER, run_s=0.5, error={})
    batch = stream.then("requeued", reason="retry", run_at=NOON.isoformat())
    assert (BatchStatus.PENDING, False, NOON, 1, None) == (
        batch.status,
        batch.fresh,
        batch.run_at,
        batch.errors,
        batch.finished_at,
    )


def test_a_graceful_stop_costs_no_budget() -> None:
    stream = Stream()
    stream.start()
    batch = stream.then("requeued", worker=WORKER, reason="stopping")
    assert (BatchStatus.PENDING, Stream.minute(3), 0, 0, 0) == (
        batch.status,
        batch.run_at,
        batch.errors,
        batch.crashes,
        batch.losses,
    )


def test_a_manual_retry_resets_the_budgets() -> None:
    stream = Stream(**DERIVED)
    stream.start()
    stream.then("failed", worker=WORKER)
    batch = stream.then("requeued", reason="person", reset=True)
    assert (0, 0, 0, 1) == (batch.errors, batch.crashes, batch.losses, batch.attempt)


@pytest.mark.parametrize("kind", ["failed", "crashed", None])
def test_a_split_of_some_items_keeps_the_batch_with_the_others(kind: str | None) -> None:
    stream = Stream()
    if kind:
        stream.start()
        stream.then(kind, worker=WORKER)
    before = stream.batch
    assert before is not None
    after = stream.then("split", to=[6], moved="{[2,4)}", moved_items=2)
    assert (8, "{[1,2),[4,11)}") == (after.item_count, str(after.ordinals))
    assert (before.status, before.fresh, before.errors, before.crashes, before.finished_at) == (
        after.status,
        after.fresh,
        after.errors,
        after.crashes,
        after.finished_at,
    )


def test_a_running_batch_loses_no_single_items() -> None:
    stream = Stream()
    stream.start()
    with pytest.raises(IllegalEvent, match="the batch is running"):
        stream.then("split", to=[6], moved="{[2,4)}", moved_items=2)


@pytest.mark.parametrize("kind", ["split", "cancelled"])
def test_split_and_cancelled_are_final_and_keep_their_items(kind: str) -> None:
    batch = Stream().then(kind)
    assert (kind, 10, Stream.minute(2), False) == (batch.status, batch.item_count, batch.finished_at, batch.fresh)


def test_a_late_result_changes_nothing_but_the_version() -> None:
    stream = Stream()
    before = stream.batch
    assert before is not None
    after = stream.then("late_result", worker=99, outcome="completed")
    assert (before.status, before.fresh, before.attempt, 2) == (after.status, after.fresh, after.attempt, after.version)


DATA = {"crashed": {"cause": "signal"}, "enqueued": TEN_ITEMS}


@given(st.lists(st.sampled_from(sorted({step.type.value for step in BATCH_TRANSITIONS})), max_size=12), st.booleans())
def test_a_batch_stays_consistent_under_any_events(kinds: list[str], derived: bool) -> None:  # noqa: FBT001
    stream = Stream(**(DERIVED if derived else TEN_ITEMS))
    for kind in kinds:
        before = stream.batch
        assert before is not None
        try:
            after = stream.then(kind, worker=WORKER, **DATA.get(kind, {}))
        except IllegalEvent:
            assert before is stream.batch
            continue
        assert (kind, before.status, after.status) in {step[:3] for step in BATCH_TRANSITIONS}
        assert before.version + 1 == after.version
        assert before.attempt + (kind == "started") == after.attempt
        assert not (after.fresh and after.run_at)
        assert (after.status is BatchStatus.PENDING) == (after.fresh or after.run_at is not None)
        assert (after.status in ENDED) == (after.finished_at is not None)
    assert fold(stream.events) == stream.batch


@pytest.mark.parametrize("kind", ["failed", "crashed"])
def test_an_outcome_without_a_run_time_keeps_the_previous_one(kind: str) -> None:
    stream = Stream()
    stream.start()
    assert 0.5 == stream.then(kind, worker=WORKER, run_s=0.5).run_s
    stream.then("requeued")
    stream.start()
    assert 0.5 == stream.then(kind, worker=WORKER).run_s
    stream.then("requeued")
    stream.start()
    assert 2.5 == stream.then("completed", worker=WORKER, moved="{[1,2)}", moved_items=1, run_s=2.5).run_s


def test_a_completed_batch_has_no_error_and_an_earlier_end_is_forgotten_at_the_start() -> None:
    stream = Stream()
    stream.start()
    stream.then("failed", worker=WORKER, error={"message": "no"})
    requeued = stream.then("requeued")
    assert ("no", False, None) == (requeued.error, requeued.fresh, requeued.finished_at)
    assert stream.start().finished_at is None
    assert stream.then("completed", worker=WORKER).error is None


def test_items_that_move_without_a_count_are_not_subtracted() -> None:
    assert 10 == Stream().then("split", to=[6], moved="{[2,4)}").item_count
