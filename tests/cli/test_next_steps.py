"""The commands that evtrack suggests next depend on the state of the job."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from evtrack.interfaces.words.next_steps import next_steps
from evtrack.storage.reports.job_reports import JobStatus

NOW = datetime(2026, 11, 24, tzinfo=UTC)
JOB = JobStatus(
    job_id=7, name=None, handler="h", priority=0, phase="sealed", suspended=False, outcome=None, total=10, done=4,
    failed=0, crashed=0, cancelled=0, invalid=0, pending=5, running=1, percent=40.0, batches=10, pace=1.0, eta=NOW,
    elapsed_s=4.0, note_count=0, created_at=NOW, sealed_at=NOW, finished_at=None, cancelled_at=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "lives", "offered", "example", "commands"),
    [
        ({}, False, True, None, ["evtrack progress 7 --follow"]),
        ({}, False, False, None, ["evtrack work --import MODULE", "evtrack progress 7 --follow"]),
        ({"phase": "open"}, True, True, None, ["evtrack progress 7 --follow"]),
        ({"phase": "open"}, False, True, None, ["evtrack submit --resume 7", "evtrack progress 7 --follow"]),
        ({"suspended": True}, False, False, None, ["evtrack resume 7", "evtrack progress 7 --follow"]),
        (
            {"phase": "finished", "pending": 0, "running": 0, "crashed": 1},
            False,
            False,
            3,
            [
                "evtrack batches 7 --status failed,crashed",
                "evtrack show 7 3",
                "evtrack retry 7",
                "evtrack results 7",
            ],
        ),
        ({"phase": "finished", "pending": 0, "running": 0}, False, False, None, ["evtrack results 7"]),
        (
            {"phase": "cancelled", "pending": 0, "running": 0, "failed": 2, "done": 0},
            False,
            False,
            None,
            ["evtrack batches 7 --status failed,crashed"],
        ),
    ],
)
def test_the_next_steps_match_the_state_of_the_job(
    change: dict[str, Any],
    lives: bool,  # noqa: FBT001
    offered: bool,  # noqa: FBT001
    example: int | None,
    commands: list[str],
) -> None:
    steps = next_steps(replace(JOB, **change), submitter_lives=lives, is_offered=offered, example_batch=example)
    assert commands == [step.command for step in steps]
    assert all(step.why for step in steps)


def test_a_handler_that_nobody_offers_is_named() -> None:
    steps = next_steps(JOB, submitter_lives=False, is_offered=False, example_batch=None)
    assert "evtrack work --import MODULE" == steps[0].command
    assert "h" in steps[0].why
