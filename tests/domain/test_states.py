"""The transition tables: complete, and closed over the states they name."""

import pytest

from evtrack.domain.states import (
    BATCH_TRANSITIONS,
    FINAL_PHASES,
    FINAL_STATUSES,
    JOB_TRANSITIONS,
    BatchStatus,
    EventType,
    JobPhase,
)


def test_every_event_type_means_something_to_a_batch_or_a_job() -> None:
    assert set(EventType) == BATCH_TRANSITIONS.keys() | JOB_TRANSITIONS.keys()


def test_every_status_can_be_reached() -> None:
    assert set(BatchStatus) == reached(BATCH_TRANSITIONS)
    assert set(JobPhase) == reached(JOB_TRANSITIONS)


def test_only_a_retry_or_a_rescue_leads_out_of_a_final_status() -> None:
    ways_out = {
        (kind, before)
        for kind, steps in BATCH_TRANSITIONS.items()
        for before, after in steps.items()
        if before in FINAL_STATUSES and after is not before
    }
    assert {
        (EventType.COMPLETED, BatchStatus.CRASHED),
        (EventType.REQUEUED, BatchStatus.FAILED),
        (EventType.REQUEUED, BatchStatus.CRASHED),
        (EventType.SPLIT, BatchStatus.FAILED),
        (EventType.SPLIT, BatchStatus.CRASHED),
        (EventType.CANCELLED, BatchStatus.FAILED),
        (EventType.CANCELLED, BatchStatus.CRASHED),
    } == ways_out


@pytest.mark.parametrize("status", [BatchStatus.COMPLETED, BatchStatus.SPLIT, BatchStatus.CANCELLED])
def test_nothing_leads_out_of_what_is_done(status: BatchStatus) -> None:
    assert {status} == {steps[status] for steps in BATCH_TRANSITIONS.values() if status in steps}


def test_a_final_job_is_left_only_by_reopening() -> None:
    ways_out = {
        kind
        for kind, steps in JOB_TRANSITIONS.items()
        for before, after in steps.items()
        if before in FINAL_PHASES and after is not before
    }
    assert {EventType.REOPENED} == ways_out


def reached(table: object) -> set[object]:
    """Collect every state that some event leads to."""
    assert isinstance(table, dict)
    return {after for steps in table.values() for after in steps.values()}
