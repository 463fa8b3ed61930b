"""Failures that come in one INSERT are folded at once, with the same outcome as if each event came alone."""

from typing import Any

import pytest

from client import Client
from evtrack.storage.log.proof import verify
from log_tampering import append, enqueued, refused_events

pytestmark = pytest.mark.integration

Step = tuple[int, int, str, int, bool, dict[str, Any]]
"""batch_no, version, type, attempt, whether it names the worker, data."""

AT = "2026-01-01T00:00:00+00:00"
ERROR = {"error": {"message": "x" * 400}}
MOVED: Step = (1, 3, "completed", 1, True, {"moved": "{[2,4)}", "moved_items": 2, "moved_to": [2], "run_s": 0.5})
BORN: Step = (2, 1, "enqueued", 1, False, enqueued("{[2,4)}", 2, root=1, parent=1, errors=1, crashes=1, losses=1))
BORN_ODD: Step = (
    *BORN[:5],
    BORN[5] | {"isolation": "memory", "exclusive_losses": 1, "error": "old", "run_at": AT},
)
FAILED: Step = (2, 2, "failed", 1, True, ERROR)
REQUEUED: Step = (2, 3, "requeued", 1, True, {"reason": "retry", "run_at": AT})
RAN: Step = (1, 3, "failed", 1, True, ERROR | {"run_s": 0.25})
AGAIN: Step = (1, 4, "requeued", 1, True, {"reason": "retry", "run_at": AT})

STREAMS: dict[str, list[Step]] = {
    "failed for good": [MOVED, BORN, FAILED],
    "failed and requeued": [MOVED, BORN, FAILED, REQUEUED],
    "without a time": [MOVED, BORN, FAILED, (*REQUEUED[:5], {})],
    "odd": [MOVED, BORN_ODD, (*FAILED[:5], {"run_s": 2}), REQUEUED],
    "odd for good": [MOVED, BORN_ODD, (*FAILED[:5], {})],
    "born": [MOVED, BORN],
    "born odd": [MOVED, BORN_ODD],
    "crashed": [MOVED, BORN_ODD, (2, 2, "crashed", 1, True, {"cause": "signal"}), (2, 3, "requeued", 1, True, {})],
    "reset": [MOVED, BORN_ODD, FAILED, (*REQUEUED[:5], {"reset": True})],
    "isolated": [MOVED, BORN, FAILED, (*REQUEUED[:5], {"isolation": "exclusive"})],
    "run": [MOVED, BORN, FAILED, REQUEUED, (2, 4, "started", 2, True, {}), (2, 5, "failed", 2, True, ERROR)],
    "cancelled": [MOVED, BORN, FAILED, (2, 3, "cancelled", 1, False, {})],
    "moved again": [
        *(MOVED, BORN, FAILED, REQUEUED, (2, 4, "started", 2, True, {})),
        (2, 5, "completed", 2, True, {"moved": "{[2,3)}", "moved_items": 1, "moved_to": [3], "run_s": 1}),
        (3, 1, "enqueued", 2, False, enqueued("{[2,3)}", 1, root=1, parent=2, errors=1)),
        (3, 2, "failed", 2, True, ERROR),
    ],
    "a whole batch failed": [RAN],
    "a whole batch again": [RAN, AGAIN],
    "a whole batch without a message": [(*RAN[:5], {"error": "no object"}), (*AGAIN[:5], {})],
    "a whole batch reset": [RAN, (*AGAIN[:5], {"reset": True})],
    "a whole batch isolated": [RAN, (*AGAIN[:5], {"isolation": "memory"})],
    "a whole batch twice": [
        *(RAN, AGAIN, (1, 5, "started", 2, True, {}), (1, 6, "failed", 2, True, ERROR)),
        (1, 7, "requeued", 2, True, {"run_at": AT}),
    ],
    "late": [RAN, AGAIN, (1, 5, "late_result", 1, True, {"outcome": "failed"})],
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_failures_in_one_insert_or_each_alone_leave_the_same(client: Client, stream: list[Step]) -> None:
    jobs = [client.job(items=4), client.job(items=4), client.job(items=4)]
    worker = client.worker()
    steps = [
        (number, version, kind, by, worker if named else None, data)
        for number, version, kind, by, named, data in stream
    ]
    for job in jobs:
        append(client, (job, 1, 2, "started", 1, worker, {}))
    append(client, *[(jobs[0], *step) for step in steps])
    append(client, *[(jobs[1], *step) for step in reversed(steps)])
    for step in steps:
        append(client, (jobs[2], *step))
    client.check(*jobs)
    assert [] == [wrong for job in jobs for wrong in verify(client.conn, job)]
    one, backwards, alone = (kept(client, job) for job in jobs)
    assert one == alone
    assert backwards == alone


def kept(client: Client, job: int) -> list[dict[str, Any]]:
    """Return the job's batches, without what no two events have in common."""
    return client.rows(
        "SELECT (to_jsonb(b) - '{job_id,enqueued_at,started_at,finished_at,run_at,links}'::text[])::text AS batch,"
        f" started_at IS NULL AS started, finished_at IS NULL AS finished, octet_length(links) AS links,"
        f" run_at = '{AT}' AS run_at FROM evtrack.batch b WHERE job_id = %s ORDER BY batch_no",
        job,
    )


@pytest.mark.parametrize(
    ("reason", "stream"),
    [
        (
            "version 2: failed is refused: attempt|batch 2, version 2: failed",
            [MOVED, BORN, (2, 2, "failed", 2, True, ERROR)],
        ),
        ("version 3: failed is refused: the next version is 2", [MOVED, BORN, (2, 3, "failed", 1, True, ERROR)]),
        ("version 4: requeued is refused", [MOVED, BORN, FAILED, (2, 4, "requeued", 1, True, {})]),
        ("version 3: requeued is refused", [MOVED, BORN, FAILED, (2, 3, "requeued", 2, True, {})]),
        ("the job has given out the numbers 1 to 1", [MOVED, (3, *BORN[1:])]),
        ("version 3: failed is refused: attempt 1 holds", [(1, 3, "failed", 2, True, ERROR)]),
        ("version 3: failed is refused: worker", [(1, 3, "failed", 1, False, ERROR)]),
        ("version 5: requeued is refused", [RAN, (1, 5, "requeued", 1, True, {})]),
        ("version 4: requeued is refused", [RAN, (1, 4, "requeued", 2, True, {})]),
        ("version 3: completed is refused: worker", [(1, 3, "completed", 1, False, MOVED[5]), BORN]),
    ],
)
def test_a_chain_with_an_illegal_step_is_refused_whole(client: Client, reason: str, stream: list[Step]) -> None:
    job, worker = client.job(items=4), client.worker()
    append(client, (job, 1, 2, "started", 1, worker, {}))
    steps = [
        (job, number, version, kind, by, worker if named else None, data)
        for number, version, kind, by, named, data in stream
    ]
    refused_events(client, reason, *steps)
