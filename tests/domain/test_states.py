"""The transition tables are complete, and use only the states they define."""

import pytest

from event_streams import ENDED
from evtrack.domain.states import (
    BATCH_TRANSITIONS,
    FINAL_PHASES,
    JOB_TRANSITIONS,
    BatchStatus,
    EventType,
    JobPhase,
)


def test_every_event_type_applies_to_a_batch_or_a_job() -> None:
    assert set(EventType) == {step.type for step in (*BATCH_TRANSITIONS, *JOB_TRANSITIONS)}


def test_every_status_can_be_reached() -> None:
    assert set(BatchStatus) == {step.after for step in BATCH_TRANSITIONS}
    assert set(JobPhase) == {step.after for step in JOB_TRANSITIONS}


def test_only_a_retry_or_a_rescue_leads_out_of_a_final_status() -> None:
    ways_out = {
        (step.type, step.before) for step in BATCH_TRANSITIONS if step.before in ENDED and step.after is not step.before
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
def test_nothing_leads_out_of_completed(status: BatchStatus) -> None:
    assert {status} == {step.after for step in BATCH_TRANSITIONS if step.before is status}


def test_a_final_job_is_left_only_by_reopening() -> None:
    ways_out = {step.type for step in JOB_TRANSITIONS if step.before in FINAL_PHASES and step.after is not step.before}
    assert {EventType.REOPENED} == ways_out
