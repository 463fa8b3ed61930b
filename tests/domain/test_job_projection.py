"""The state of a job: what each event of its own stream changes, and which events are rejected."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from event_streams import stored_event
from evtrack.domain.errors import IllegalEvent
from evtrack.domain.job_projection import JobState, evolve_job
from evtrack.domain.policy import Policy
from evtrack.domain.states import JobPhase

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SUBMITTER = UUID(int=5)
CREATED = {
    "handler": "h",
    "name": "n",
    "priority": 2,
    "source": {"a": 1},
    "bytes_total": 9,
    "submitter": str(SUBMITTER),
}
NEW = JobState(
    handler="h",
    name="n",
    priority=2,
    phase=JobPhase.OPEN,
    suspended=False,
    version=1,
    policy=Policy(),
    source={"a": 1},
    position=None,
    bytes_read=0,
    bytes_total=9,
    batch_count=0,
    item_count=0,
    invalid_count=0,
    note_count=0,
    submitter=SUBMITTER,
    created_at=NOON + timedelta(minutes=1),
)


def after(*steps: tuple[str, dict[str, Any]]) -> JobState:
    """Return the job after its creation and these events, each a minute after the previous one."""
    job = None
    for version, (kind, data) in enumerate([("created", CREATED), *steps], 1):
        job = evolve_job(job, event(version, kind, data))
    assert job is not None
    return job


def event(version: int, kind: str, data: dict[str, Any]) -> Any:
    return stored_event(
        {
            "job_day": date(2026, 11, 24),
            "job_id": 3,
            "batch_no": 0,
            "version": version,
            "attempt": 0,
            "worker_id": None,
            "at": NOON + timedelta(minutes=version),
            "seq": version,
            "xid": 700,
            "type": kind,
            "data": data,
        }
    )


def test_a_new_job_is_open_and_empty() -> None:
    assert NEW == after()


SECOND = NOON + timedelta(minutes=2)
EXTENDED = {"batches": 2, "items": 6, "invalid": 1, "position": {"part": 1}, "bytes_read": 5}


@pytest.mark.parametrize(
    ("changes", "kind", "data"),
    [
        (
            {
                "batch_count": 2,
                "item_count": 6,
                "invalid_count": 1,
                "position": {"part": 1},
                "bytes_read": 5,
                "extended_at": SECOND,
            },
            "extended",
            EXTENDED,
        ),
        ({"note_count": 4}, "noted", {"total": 4}),
        ({"submitter": UUID(int=8)}, "reclaimed", {"submitter": str(UUID(int=8))}),
        ({"phase": JobPhase.SEALED, "sealed_at": SECOND}, "sealed", {}),
        ({"phase": JobPhase.CANCELLED, "cancelled_at": SECOND}, "cancelled", {}),
        ({"phase": JobPhase.ABANDONED}, "abandoned", {}),
        ({"suspended": True}, "suspended", {}),
    ],
)
def test_an_event_changes_the_job(changes: dict[str, Any], kind: str, data: dict[str, Any]) -> None:
    assert replace(NEW, version=2, **changes) == after((kind, data))


def test_extensions_add_up_and_keep_the_position_that_they_do_not_set() -> None:
    job = after(
        ("extended", EXTENDED),
        ("extended", {"batches": 1, "items": 4, "invalid": 2}),
        ("noted", {"total": 1}),
        ("noted", {"total": 2}),
    )
    assert (3, 10, 3, {"part": 1}, 5, 3) == (
        job.batch_count,
        job.item_count,
        job.invalid_count,
        job.position,
        job.bytes_read,
        job.note_count,
    )
    assert NOON + timedelta(minutes=3) == job.extended_at


def test_a_finished_job_can_be_reopened_and_has_no_end_then() -> None:
    finished = after(("sealed", {}), ("finished", {}))
    assert (JobPhase.FINISHED, NOON + timedelta(minutes=3)) == (finished.phase, finished.finished_at)
    reopened = evolve_job(finished, event(4, "reopened", {}))
    assert (JobPhase.SEALED, None, 4) == (reopened.phase, reopened.finished_at, reopened.version)


def test_a_suspended_job_can_be_resumed() -> None:
    assert not after(("suspended", {}), ("resumed", {})).suspended


@pytest.mark.parametrize(
    ("reason", "steps"),
    [
        ("resumed is refused: the job is open", [("resumed", {})]),
        ("suspended is refused: the job is open", [("suspended", {}), ("suspended", {})]),
        ("extended is refused: the job is sealed", [("sealed", {}), ("extended", EXTENDED)]),
        ("created is refused: the job is open", [("created", CREATED)]),
        ("started is refused: the job is open", [("started", {})]),
    ],
)
def test_an_event_that_is_not_a_transition_is_rejected(reason: str, steps: list[tuple[str, dict[str, Any]]]) -> None:
    with pytest.raises(IllegalEvent, match=rf"^job 3, version {len(steps) + 1}: {reason}$"):
        after(*steps)


@pytest.mark.parametrize(("job", "version", "due"), [(None, 2, 1), (NEW, 1, 2), (NEW, 3, 2)])
def test_a_version_that_is_not_the_next_is_rejected(job: JobState | None, version: int, due: int) -> None:
    with pytest.raises(IllegalEvent, match=f"the next version is {due}"):
        evolve_job(job, event(version, "sealed", {}))


def test_the_first_event_creates_the_job() -> None:
    with pytest.raises(IllegalEvent, match=r"refused: there is no such job$"):
        evolve_job(None, event(1, "sealed", {}))
