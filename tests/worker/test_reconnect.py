"""A connection that breaks at any moment leaves no batch running that its worker does not hold."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from client import Client
from evtrack.domain.database_errors import CannotConnect, StorageError, TransientError
from evtrack.runtime.worker.database import session
from evtrack.runtime.worker.exchanger import Exchanger
from evtrack.runtime.worker.pacing import MAX_CLAIM, MAX_HELD
from evtrack.storage.queue.queue import Queue
from polling import eventually
from workers import running_worker

pytestmark = pytest.mark.integration


def submit(queue: Client, count: int, item: str = "{}", **policy: Any) -> int:
    return queue.one(
        "SELECT evtrack.enqueue('scripted', %s, %s, policy => %s::jsonb, batch_size => 1)",
        [f"k{number}" for number in range(count)],
        [item] * count,
        json.dumps(policy),
    )


def types(queue: Client, job: int) -> dict[int, list[str]]:
    rows = queue.rows(
        "SELECT batch_no, array_agg(type::text ORDER BY version) AS types FROM evtrack.event"
        " WHERE job_id = %s AND batch_no > 0 GROUP BY 1",
        job,
    )
    return {row["batch_no"]: row["types"] for row in rows}


def break_once(monkeypatch: pytest.MonkeyPatch, when: Callable[[Any, Any], bool], *, after_commit: bool) -> list[str]:
    """Cut the worker's connection once around a call that matches; its answer never arrives."""
    cut: list[str] = []
    original = Queue.complete_and_claim
    lock = threading.Lock()

    def call(self: Queue, done: Any, claim: Any) -> Any:
        with lock:
            due = not cut and when(done, claim)
            if due:
                cut.append("cut")
        if not due:
            return original(self, done, claim)
        answer = original(self, done, claim) if after_commit else None
        self._conn.close()
        raise TransientError(f"The connection to the database was lost (had {answer is not None})")

    monkeypatch.setattr(Queue, "complete_and_claim", call)
    return cut


def test_a_claim_with_a_lost_answer_is_requeued_and_claimed_again(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = break_once(monkeypatch, lambda _, claim: claim is not None, after_commit=True)
    job = submit(queue, 3)
    with running_worker(dsn, slots=1, until_job=job) as one:
        one.join()
    assert ["cut"] == cut
    found = types(queue, job)
    reasons = queue.rows("SELECT DISTINCT data ->> 'reason' AS reason FROM evtrack.event WHERE type = 'requeued'")
    assert [{"reason": "reconcile"}] == reasons, "no crash: it never ran"
    assert ["enqueued", "started", "requeued", "started", "completed"] in found.values()
    assert all("completed" == events[-1] for events in found.values())


@pytest.mark.parametrize("after_commit", [True, False])
def test_outcomes_with_a_lost_answer_are_resent_and_count_once(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch, *, after_commit: bool
) -> None:
    cut = break_once(monkeypatch, lambda done, _: done is not None, after_commit=after_commit)
    job = submit(queue, 40, '{"return": 1, "do": "sleep", "s": 0.002}')
    with running_worker(dsn, slots=2, until_job=job) as one:
        one.join()
    assert ["cut"] == cut
    once = [["enqueued", "started", "completed"]] * 40
    requeued = [events for events in types(queue, job).values() if "requeued" in events]
    assert once == [[e for e in events if e != "requeued"][:2] + events[-1:] for events in types(queue, job).values()]
    assert all(1 == events.count("completed") for events in types(queue, job).values())
    assert all(["enqueued", "started", "requeued", "started", "completed"] == events for events in requeued)
    assert 40 == len(queue.rows("SELECT * FROM evtrack.item_result WHERE job_id = %s", job))


def test_a_request_that_was_posted_ahead_outlives_the_failure_of_the_one_before(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead: list[int] = []
    post = Exchanger._post

    def posted(self: Exchanger, room: Any) -> None:
        ahead.append(self._thread.owed)
        post(self, room)

    cut: list[str] = []
    original = Queue.complete_and_claim

    def call(self: Queue, done: Any, claim: Any) -> Any:
        answer = original(self, done, claim)
        if not cut and done is not None and len(answer[1]) == MAX_CLAIM:
            with suppress(AssertionError):  # the slot may have had too few batches meanwhile
                cut.extend(eventually(lambda: ahead[-1] and ["cut"], 2))
        if cut == ["cut"]:
            cut.append("noticed")
            self._conn.close()
            raise TransientError("The connection to the database was lost")
        return answer

    monkeypatch.setattr(Exchanger, "_post", posted)
    monkeypatch.setattr(Queue, "complete_and_claim", call)
    job = submit(queue, 3 * MAX_HELD)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    assert ["cut", "noticed"] == cut
    ends = [[kind for kind in events if kind != "requeued"] for events in types(queue, job).values()]
    assert 3 * MAX_HELD == len(ends)
    assert all(["enqueued", "completed"] == [events[0], events[-1]] for events in ends)
    assert all(1 == events.count("completed") for events in ends)


def test_a_worker_survives_the_loss_of_all_its_connections(queue: Client, dsn: str) -> None:
    with running_worker(dsn, slots=2):
        for _ in range(3):
            # A job for each round: a single one may end before the last.
            job = submit(queue, 100, '{"do": "sleep", "s": 0.01}')
            eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'"))
            queue.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'evtrack worker%%' AND datname = current_database()"
            )
            eventually(lambda job=job: queue.phase(job) == "finished", 30)
    found = queue.rows("SELECT status::text, count(*) FROM evtrack.batch GROUP BY 1")
    assert [{"status": "completed", "count": 300}] == found
    assert [] == queue.rows("SELECT * FROM evtrack.crash")
    assert 1 == queue.one("SELECT count(*) FROM evtrack.worker"), "it stayed the same worker"


def test_a_deadlock_is_retried(queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Queue.complete_and_claim
    refused: list[int] = []

    def call(self: Queue, done: Any, claim: Any) -> Any:
        if done is not None and len(refused) < 3:
            refused.append(1)
            raise TransientError("deadlock detected", sqlstate="40P01")
        return original(self, done, claim)

    monkeypatch.setattr(Queue, "complete_and_claim", call)
    job = submit(queue, 5)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    assert 3 == len(refused)
    assert [["enqueued", "started", "completed"]] * 5 == list(types(queue, job).values())


def test_a_late_result_is_dropped_and_the_other_results_complete(queue: Client, dsn: str) -> None:
    job = submit(queue, 4, '{"do": "sleep", "s": 0.7}')
    with running_worker(dsn, slots=4, until_job=job) as one:
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'") == 4)
        worker = queue.one("SELECT worker_id FROM evtrack.worker")
        # As if somebody had taken the batch away from this worker in the meantime.
        queue.rows("SELECT * FROM evtrack.requeue(%s, %s, '{2}', '{1}', 'test')", worker, [job])
        one.join()
    found = types(queue, job)
    assert "late_result" in found[2]
    assert 1 == found[2].count("completed")
    assert [["enqueued", "started", "completed"]] * 3 == [found[number] for number in (1, 3, 4)]


def test_results_refused_by_the_database_fail_only_their_batch(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Queue.complete_and_claim

    def call(self: Queue, done: Any, claim: Any) -> Any:
        if done is not None and 3 in done.batch_nos:
            raise StorageError("value out of range", sqlstate="22003")
        return original(self, done, claim)

    monkeypatch.setattr(Queue, "complete_and_claim", call)
    job = submit(queue, 6, max_errors=1)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    statuses = queue.rows("SELECT batch_no, status::text FROM evtrack.batch ORDER BY 1")
    assert ["completed", "completed", "failed", "completed", "completed", "completed"] == [
        row["status"] for row in statuses
    ]
    assert "value out of range" in queue.one("SELECT error FROM evtrack.batch WHERE batch_no = 3")


def test_a_worker_waits_for_a_server_that_is_briefly_unavailable(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    original = session.connect

    def connect(dsn: str, *, purpose: str) -> Any:
        if queue.one("SELECT count(*) FROM evtrack.worker") and len(refused) < 3:
            refused.append(purpose)
            raise CannotConnect
        return original(dsn, purpose=purpose)

    cut = break_once(monkeypatch, lambda done, _: done is not None, after_commit=True)
    monkeypatch.setattr(session, "connect", connect)
    job = submit(queue, 20)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    assert (["cut"], ["worker"] * 3) == (cut, refused)
    assert all("completed" == events[-1] for events in types(queue, job).values())


def test_a_connection_lost_right_after_the_registration_is_waited_out(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[int] = []
    original = session.Queue

    def queue_of(**options: Any) -> Queue:
        if not lost:
            lost.append(options["worker_id"])
            raise TransientError("terminating connection", sqlstate="57P01")
        return original(**options)

    monkeypatch.setattr(session, "Queue", queue_of)
    job = submit(queue, 2)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    assert lost == [row["worker_id"] for row in queue.rows("SELECT worker_id FROM evtrack.worker")]


def test_outcomes_of_a_worker_that_was_declared_lost_are_recorded_as_late(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()
    original = session.connect

    def connect(dsn: str, *, purpose: str) -> Any:
        if away.is_set():
            raise CannotConnect
        return original(dsn, purpose=purpose)

    monkeypatch.setattr(session, "connect", connect)
    job = submit(queue, 1, '{"do": "sleep once", "s": 1}')
    with running_worker(dsn, slots=1, until_job=job, lease_s=1.5) as one:
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'"))
        away.set()
        queue.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'evtrack worker'"
            " AND datname = current_database()"
        )
        eventually(lambda: one.worker._exchanger is not None and one.worker._exchanger.unreported)
        lost = queue.one("SELECT worker_id FROM evtrack.worker")
        queue.rows("SELECT * FROM evtrack.requeue(%s, %s, '{1}', '{1}', 'test')", lost, [job])
        queue.conn.execute("UPDATE evtrack.worker SET lost_at = clock_timestamp()")
        assert one.worker._news.is_fenced.wait(10)
        away.clear()
        one.join()
    late = queue.rows("SELECT worker_id FROM evtrack.event WHERE type = 'late_result'")
    assert [{"worker_id": lost}] == late
    assert 2 == queue.one("SELECT count(*) FROM evtrack.worker")
