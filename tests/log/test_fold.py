"""Legal events inserted directly into the log are folded."""

import pytest

from client import Client
from evtrack.domain.states import BATCH_TRANSITIONS, BatchStatus, EventType, Isolation
from evtrack.storage.log.proof import verify
from evtrack.storage.log.rebuild import rebuild
from log_tampering import Row, append, enqueued, refused_events

pytestmark = pytest.mark.integration


def test_three_events_of_one_stream_in_one_insert_fold_correctly(client: Client) -> None:
    job, worker = client.job(), client.worker()
    append(
        client,
        (job, 1, 2, "started", 1, worker, {}),
        (job, 1, 3, "failed", 1, worker, {"error": {"message": "no"}}),
        (job, 1, 4, "requeued", 1, worker, {"reason": "retry"}),
    )
    assert (BatchStatus.PENDING, 4, 1, 1) == (
        client.batch(job).status,
        client.batch(job).version,
        client.batch(job).attempt,
        client.batch(job).errors,
    )
    client.check(job)


def test_the_order_of_the_rows_does_not_matter(client: Client) -> None:
    job, worker = client.job(), client.worker()
    append(
        client,
        (job, 1, 4, "started", 2, worker, {}),
        (job, 1, 2, "started", 1, worker, {}),
        (job, 1, 5, "completed", 2, worker, {"run_s": 0.5}),
        (job, 1, 3, "requeued", 1, worker, {}),
    )
    assert (BatchStatus.COMPLETED, 5, 2) == (
        client.batch(job).status,
        client.batch(job).version,
        client.batch(job).attempt,
    )
    client.check(job)


def test_the_whole_life_of_a_batch_fits_in_one_insert(client: Client) -> None:
    job, worker = client.job(), client.worker()
    append(
        client,
        (job, 1, 2, "started", 1, worker, {}),
        (job, 1, 3, "crashed", 1, worker, {"cause": "signal", "signal": "SIGBUS"}),
        (job, 1, 4, "requeued", 1, None, {}),
        (job, 1, 5, "started", 2, worker, {}),
        (job, 1, 6, "crashed", 2, worker, {"cause": "worker_lost"}),
        (job, 1, 7, "split", 2, None, {"to": [2]}),
        (job, 1, 8, "late_result", 2, worker, {"outcome": "completed"}),
        (job, 2, 1, "enqueued", 2, None, enqueued("{[1,2)}", 1, root=1, parent=1, crashes=1, losses=1)),
        (job, 2, 2, "crashed", 2, worker, {"cause": "signal"}),
    )
    assert [(1, "split", 1, 1), (2, "crashed", 2, 1)] == [
        (number, batch.status, batch.crashes, batch.losses) for number, batch in client.batches(job).items()
    ]
    client.check(job)


def test_isolation_and_exclusive_losses_fold_as_in_the_pure_fold(client: Client) -> None:
    job, worker = client.job(), client.worker()
    lost = {"cause": "worker_lost", "exclusive": True}
    append(
        client,
        (job, 1, 2, "started", 1, worker, {}),
        (job, 1, 3, "crashed", 1, worker, {"cause": "memory_limit", "blame": "none"}),
        (job, 1, 4, "requeued", 1, worker, {"isolation": "exclusive"}),
        (job, 1, 5, "started", 2, worker, {}),
        (job, 1, 6, "crashed", 2, worker, lost),
        (job, 1, 7, "requeued", 2, None, {}),
        (job, 1, 8, "started", 3, worker, {}),
        (job, 1, 9, "crashed", 3, worker, {"cause": "signal", "exclusive": True, "blame": ["none"]}),
        (job, 1, 10, "split", 3, None, {"to": [2]}),
        (job, 2, 1, "enqueued", 3, None, enqueued("{[1,2)}", 1, root=1, isolation="marked", exclusive_losses=2)),
        (job, 2, 2, "crashed", 3, worker, lost | {"exclusive": "yes"}),
        (job, 2, 3, "requeued", 3, None, {"reset": True, "isolation": "memory"}),
    )
    assert [("exclusive", 1, 1, 1), ("none", 0, 0, 0)] == [
        (batch.isolation, batch.exclusive_losses, batch.losses, batch.crashes) for batch in client.batches(job).values()
    ]
    client.check(job)
    client.conn.execute("UPDATE evtrack.batch SET isolation = 'none', exclusive_losses = 0 WHERE job_id = %s", [job])
    wrong = verify(client.conn, job)
    assert {("isolation", "exclusive", "none"), ("exclusive_losses", "1", "0")} == {
        (each.field, each.log, each.projection) for each in wrong
    }
    assert 1 == rebuild(client.conn, job).batches
    client.check(job)


def test_the_levels_of_isolation_are_those_of_the_database(client: Client) -> None:
    rows = client.rows("SELECT unnest(enum_range(NULL::evtrack.isolation))::text AS level")
    assert list(Isolation) == [row["level"] for row in rows]


def test_several_streams_of_several_jobs_mix_in_one_insert(client: Client) -> None:
    first, second, worker = client.job(3, items=2), client.job(2), client.worker()
    append(
        client,
        (second, 1, 2, "started", 1, worker, {}),
        (first, 0, 4, "suspended", 0, None, {}),
        (first, 1, 3, "completed", 1, worker, {"run_s": 1}),
        (second, 2, 2, "cancelled", 0, None, {}),
        (first, 1, 2, "started", 1, worker, {}),
        (first, 3, 2, "started", 1, worker, {}),
        (first, 0, 5, "resumed", 0, None, {}),
        (second, 1, 3, "requeued", 1, worker, {}),
        (first, 2, 2, "late_result", 0, worker, {}),
    )
    assert ["completed", "pending", "running"] == [batch.status for batch in client.batches(first).values()]
    assert ["pending", "cancelled"] == [batch.status for batch in client.batches(second).values()]
    assert {"pending": (1, 2), "running": (1, 2), "completed": (1, 2)}.items() <= client.sums(first).items()
    client.check(first, second)


def test_one_illegal_transition_refuses_the_whole_insert(client: Client) -> None:
    job, worker = client.job(2), client.worker()
    refused_events(
        client,
        rf"job {job}, batch 2, version 3: started is refused: the batch is running",
        (job, 1, 2, "started", 1, worker, {}),
        (job, 2, 2, "started", 1, worker, {}),
        (job, 2, 3, "started", 2, worker, {}),
    )


@pytest.mark.parametrize(("attempt", "named"), [(0, True), (2, True), (1, False)])
def test_a_start_counts_the_attempt_and_names_its_worker(client: Client, attempt: int, named: bool) -> None:  # noqa: FBT001
    job, worker = client.job(), client.worker()
    refused_events(
        client,
        rf"job {job}, batch 1, version 2: started is refused: a start counts the attempt, 1",
        (job, 1, 2, "started", attempt, worker if named else None, {}),
    )


def test_a_crashed_batch_whose_items_were_all_done_keeps_its_run_time(client: Client) -> None:
    job, worker = client.job(1, items=2), client.worker()
    client.claim(worker, job)
    append(
        client,
        (job, 1, 3, "crashed", 1, worker, {"cause": "signal", "run_s": 0.25}),
        (job, 1, 4, "completed", 1, worker, {"moved": "{}", "moved_items": 0}),
    )
    assert 0.25 == client.batches(job)[1].run_s
    client.check(job)


def test_a_crashed_batch_completes_only_with_the_items_that_were_done(client: Client) -> None:
    job, worker = client.job(items=3, max_crashes=1), client.worker()
    (claim,) = client.claim(worker, job)
    append(client, (job, 1, 3, "crashed", claim.attempt, worker, {"cause": "signal"}))
    refused_events(client, rf"job {job}, batch 1, version 4: completed", (job, 1, 4, "completed", 1, worker, {}))
    append(
        client,
        (job, 1, 4, "completed", 1, worker, {"moved": "{[2,4)}", "moved_items": 2, "moved_to": [2]}),
        (job, 2, 1, "enqueued", 1, None, enqueued("{[2,4)}", 2, root=1, parent=1, crashes=1)),
    )
    assert ["completed", "pending"] == [batch.status for batch in client.batches(job).values()]
    client.check(job)


STATUS_REACHED_BY: dict[BatchStatus, list[tuple[str, int]]] = {
    BatchStatus.PENDING: [],
    BatchStatus.RUNNING: [("started", 1)],
    BatchStatus.COMPLETED: [("started", 1), ("completed", 1)],
    BatchStatus.FAILED: [("started", 1), ("failed", 1)],
    BatchStatus.CRASHED: [("started", 1), ("crashed", 1)],
    BatchStatus.SPLIT: [("split", 0)],
    BatchStatus.CANCELLED: [("cancelled", 0)],
}


@pytest.mark.parametrize("status", BatchStatus)
@pytest.mark.parametrize("kind", sorted({step.type for step in BATCH_TRANSITIONS}))
def test_the_fold_and_the_table_of_transitions_agree(client: Client, status: BatchStatus, kind: EventType) -> None:
    job, worker = client.job(), client.worker()
    steps = STATUS_REACHED_BY[status]
    for version, (step, attempt) in enumerate(steps, 2):
        append(client, (job, 1, version, step, attempt, worker, {}))
    attempt = steps[-1][1] if steps else 0
    event: Row = (job, 1, len(steps) + 2, kind, attempt + (kind is EventType.STARTED), worker, {})
    # The batch is not derived, and the event moves nothing.
    after = {
        step.before: step.after
        for step in BATCH_TRANSITIONS
        if step.type is kind and not step.derived and not step.moved
    }.get(status)
    if after is None:
        refused_events(client, rf"job {job}, batch 1, version {len(steps) + 2}: {kind} is refused", event)
    else:
        append(client, event)
        assert after is client.batch(job).status
        client.check(job)


@pytest.mark.parametrize(
    ("kind", "legal"),
    [
        ("extended", False),
        ("noted", True),
        ("sealed", False),
        ("suspended", True),
        ("resumed", False),
        ("cancelled", True),
        ("abandoned", False),
        ("reclaimed", False),
        ("reopened", False),
        ("finished", True),
        ("created", False),
        ("started", False),
    ],
)
def test_a_sealed_job_accepts_only_legal_events(client: Client, kind: str, legal: bool) -> None:  # noqa: FBT001
    job = client.job()
    data = {"batches": 1, "items": 1, "total": 1, "handler": "h"}
    if legal:
        append(client, (job, 0, 4, kind, 0, None, data))
        assert kind == client.types(job, 0)[-1]
    else:
        refused_events(client, rf"job {job}, batch 0, version 4: {kind} is refused", (job, 0, 4, kind, 0, None, data))
