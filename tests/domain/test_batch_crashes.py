"""The pure fold: what crashes and lost workers count, and how carefully a batch runs next."""

from typing import Any

import pytest

from event_streams import DERIVED, WORKER, Stream
from evtrack.domain.states import BatchStatus, Isolation


@pytest.mark.parametrize(
    ("cause", "counts"), [("signal", (0, 1, 0)), ("timeout", (0, 1, 0)), ("worker_lost", (0, 0, 1))]
)
def test_a_lost_worker_is_not_counted_as_a_crash(cause: str, counts: tuple[int, int, int]) -> None:
    stream = Stream()
    stream.start()
    batch = stream.then("crashed", worker=WORKER, cause=cause)
    assert counts == (batch.errors, batch.crashes, batch.losses)


@pytest.mark.parametrize(
    ("dossier", "line"),
    [
        ({"cause": "signal", "signal": "SIGSEGV", "item_key": "PubMed:1"}, "SIGSEGV at PubMed:1"),
        ({"cause": "exit_code", "exit_code": 3}, "exit_code 3"),
        ({"cause": "worker_lost"}, "worker_lost"),
        ({"cause": "memory_limit", "signal": "SIGTERM", "item_key": "a"}, "memory_limit at a"),
        ({"cause": "signal"}, "signal"),
        ({"signal": "SIGABRT"}, "SIGABRT"),
        ({}, "unknown"),
    ],
)
def test_a_crash_is_summarised_in_one_line(dossier: dict[str, Any], line: str) -> None:
    stream = Stream()
    stream.start()
    assert line == stream.then("crashed", worker=WORKER, **dossier).error


@pytest.mark.parametrize("kind", ["failed", "crashed"])
def test_a_derived_batch_can_start_in_a_final_status_and_counts_its_own_crash(kind: str) -> None:
    stream = Stream(**DERIVED, error="no")
    batch = stream.then(kind, **({"cause": "signal"} if kind == "crashed" else {}))
    counts = (3, 1, 1) if kind == "failed" else (2, 2, 1)
    assert (kind, *counts) == (batch.status, batch.errors, batch.crashes, batch.losses)
    assert batch.error == ("signal" if kind == "crashed" else "no")


def test_a_crash_after_the_last_item_completes_with_nothing_moved() -> None:
    stream = Stream()
    stream.start()
    stream.then("crashed", worker=WORKER, cause="signal")
    batch = stream.then("completed", worker=WORKER, moved="{}", moved_items=0)
    assert (BatchStatus.COMPLETED, 10, 1) == (batch.status, batch.item_count, batch.crashes)


def test_a_crash_that_counts_against_nobody_leaves_the_crash_budget() -> None:
    stream = Stream()
    stream.start()
    batch = stream.then("crashed", worker=WORKER, cause="memory_limit", blame="none")
    assert (BatchStatus.CRASHED, 0, 0) == (batch.status, batch.crashes, batch.losses)


@pytest.mark.parametrize("exclusive", [True, False, None, "yes"])
def test_only_the_loss_of_a_worker_that_ran_nothing_else_counts_as_exclusive(exclusive: Any) -> None:
    stream = Stream()
    stream.start()
    batch = stream.then("crashed", worker=WORKER, cause="worker_lost", exclusive=exclusive)
    assert (1, int(exclusive is True)) == (batch.losses, batch.exclusive_losses)
    stream.then("requeued", worker=WORKER, isolation="exclusive")
    stream.start()
    batch = stream.then("crashed", worker=WORKER, cause="signal", exclusive=True)
    assert int(exclusive is True) == batch.exclusive_losses


def test_a_requeue_sets_the_isolation_or_keeps_it_and_a_reset_clears_it() -> None:
    stream = Stream(**DERIVED, isolation="marked", exclusive_losses=1)
    assert (Isolation.MARKED, 1) == (
        stream.batch and stream.batch.isolation,
        stream.batch and stream.batch.exclusive_losses,
    )
    stream.start()
    stream.then("crashed", worker=WORKER, cause="worker_lost", exclusive=True)
    batch = stream.then("requeued", worker=WORKER, isolation="exclusive")
    assert (Isolation.EXCLUSIVE, 2) == (batch.isolation, batch.exclusive_losses)
    stream.start()
    assert Isolation.EXCLUSIVE == stream.then("requeued", worker=WORKER, reason="stopping").isolation
    stream.start()
    stream.then("crashed", worker=WORKER, cause="signal")
    batch = stream.then("requeued", worker=WORKER, reset=True, isolation="marked")
    assert (Isolation.NONE, 0, 0) == (batch.isolation, batch.exclusive_losses, batch.losses)
