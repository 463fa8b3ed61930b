"""The commands that evtrack suggests next depend on the state of the job."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from evtrack.interfaces.words.next_steps import next_steps
from evtrack.storage.reports.job_reports import JobStatus
from evtrack.storage.reports.worker_reports import WorkerRow

NOW = datetime(2026, 11, 24, tzinfo=UTC)
JOB = JobStatus(
    job_id=7, name=None, handler="h", priority=0, phase="sealed", suspended=False, outcome=None, total=10, done=4,
    failed=0, crashed=0, cancelled=0, invalid=0, pending=5, running=1, percent=40.0, batches=10, pace=1.0, eta=NOW,
    elapsed_s=4.0, note_count=0, created_at=NOW, sealed_at=NOW, finished_at=None, cancelled_at=None,
)  # fmt: skip
WORKER = WorkerRow(
    worker_id=1, name="w", state="alive", host="here", pid=1, handlers=["h"], slots=2, busy=1, version="0",
    started_at=NOW, seen_at=NOW, silent_s=0.1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "lives", "workers", "example", "commands"),
    [
        ({}, False, [WORKER], None, ["evtrack progress 7 --follow"]),
        ({}, False, [], None, ["evtrack work --import MODULE", "evtrack progress 7 --follow"]),
        ({"phase": "open"}, True, [WORKER], None, ["evtrack progress 7 --follow"]),
        ({"phase": "open"}, False, [WORKER], None, ["evtrack submit --resume 7", "evtrack progress 7 --follow"]),
        ({"suspended": True}, False, [], None, ["evtrack resume 7", "evtrack progress 7 --follow"]),
        (
            {"phase": "finished", "pending": 0, "running": 0, "crashed": 1},
            False,
            [],
            3,
            [
                "evtrack batches 7 --status failed,crashed",
                "evtrack show 7 3",
                "evtrack retry 7",
                "evtrack results 7",
            ],
        ),
        ({"phase": "finished", "pending": 0, "running": 0}, False, [], None, ["evtrack results 7"]),
        (
            {"phase": "cancelled", "pending": 0, "running": 0, "failed": 2, "done": 0},
            False,
            [],
            None,
            ["evtrack batches 7 --status failed,crashed"],
        ),
    ],
)
def test_the_next_steps_match_the_state_of_the_job(
    change: dict[str, Any],
    lives: bool,  # noqa: FBT001
    workers: list[WorkerRow],
    example: int | None,
    commands: list[str],
) -> None:
    steps = next_steps(replace(JOB, **change), submitter_lives=lives, workers=workers, example_batch=example)
    assert commands == [step.command for step in steps]
    assert all(step.why for step in steps)


def test_a_worker_with_other_handlers_does_not_count() -> None:
    other = replace(WORKER, handlers=["another"])
    steps = next_steps(JOB, submitter_lives=False, workers=[other], example_batch=None)
    assert "evtrack work --import MODULE" == steps[0].command
    assert "h" in steps[0].why
