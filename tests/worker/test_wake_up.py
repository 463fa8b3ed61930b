"""A worker that waits is woken by a notification, and claims at once what it announces."""

import random

import pytest

from client import Claim, Client
from evtrack.domain.database_errors import TransientError
from evtrack.runtime.worker.database import claim_planner, session
from evtrack.runtime.worker.database.heartbeat import Heartbeat
from evtrack.runtime.worker.database.wake_up_delay import WakeUpDelay
from evtrack.storage.connection.connect import Connection
from evtrack.storage.queue.queue import Queue
from evtrack.storage.queue.workers import count_idle
from polling import eventually
from workers import running_worker, submit

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_planner, "IDLE_S", 3600.0)


def test_a_worker_that_does_not_poll_is_woken_by_each_notification(queue: Client, dsn: str) -> None:
    with running_worker(dsn, slots=2):
        for number in range(1, 6):
            # More than slots: the rest must be looked for without another notification.
            job = submit(queue, *["{}"] * number)
            eventually(lambda job=job: queue.phase(job) == "finished")


def test_a_notification_during_an_exchange_is_not_missed(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[int] = []
    original = Queue.claimable

    def read_too_early(self: Queue, marks: dict[int, int]) -> object:
        found = original(self, marks)
        if not jobs:
            jobs.append(submit(queue, "{}"))
        return found

    monkeypatch.setattr(Queue, "claimable", read_too_early)
    with running_worker(dsn):
        eventually(lambda: jobs and queue.phase(jobs[0]) == "finished")


def test_what_a_notification_announces_is_not_lost_with_the_answer_to_its_claim(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[int] = []
    original = Queue.claim_next

    def call(self: Queue, most: int, marks: dict[int, int]) -> object:
        answer = original(self, most, marks)
        if not cut and answer[0]:
            cut.append(answer[0][0].job_id)
            self._conn.close()
            raise TransientError("The connection to the database was lost")
        return answer

    def finished() -> int:
        job = submit(queue, "{}")
        eventually(lambda: queue.phase(job) == "finished")
        return job

    monkeypatch.setattr(Queue, "claim_next", call)
    with running_worker(dsn):
        # The first job may be found by the list that a worker begins with.
        eventually(lambda: finished() in cut)
    assert ["enqueued", "started", "requeued", "started", "completed"] == queue.types(cut[0])


def test_a_notification_that_others_may_answer_is_answered_later(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays_s: list[float] = []
    original = WakeUpDelay.record_wake_up

    def record_wake_up(self: WakeUpDelay, handlers: list[str], *, workers: int, now: float) -> None:
        original(self, handlers, workers=workers, now=now)
        delays_s.append(self.due_at - now)

    monkeypatch.setattr(WakeUpDelay, "record_wake_up", record_wake_up)
    monkeypatch.setattr(random, "random", lambda: 0.9)
    monkeypatch.setattr(Heartbeat, "workers", 200)
    monkeypatch.setattr(session, "count_idle", lambda *_: 200)

    def is_delayed() -> bool:
        # Without work, so that the worker finds none: then it counts the others.
        queue.conn.execute("SELECT pg_notify('evtrack_work', 'scripted')")
        return bool(delays_s) and delays_s[-1] > 0

    with running_worker(dsn):
        eventually(is_delayed)
        job = submit(queue, "{}")
        eventually(lambda: queue.phase(job) == "finished")


def test_idle_workers_are_counted_by_handler(queue: Client) -> None:
    (idle, pooled, busy, stopped) = (queue.worker() for _ in range(4))
    for worker in (idle, pooled):
        queue.one("SELECT evtrack.heartbeat(%s, 0)", worker)
    queue.one("SELECT evtrack.heartbeat(%s, 2)", busy)
    queue.conn.execute("UPDATE evtrack.worker SET session_lock = worker_id <> %s", [pooled])
    queue.conn.execute("SELECT evtrack.stop_worker(%s)", [stopped])
    assert (1, 0) == (count_idle(queue.conn, queue.handler), count_idle(queue.conn, "other"))


def test_what_is_next_is_new_and_most_urgent(queue: Client, conn: Connection) -> None:
    low, first, second = queue.job(2), queue.job(2, priority=5), queue.job(1, priority=5)
    worker = queue.worker()
    own = Queue(connection=conn, worker_id=worker, handlers=[queue.handler])

    def claimed(most: int) -> tuple[list[tuple[int, int]], bool]:
        batches, has_more = own.claim_next(most, {})
        return [batch[:2] for batch in batches], has_more

    assert ([(first, 1), (second, 1)], True) == claimed(2)
    assert ([(first, 2)], True) == claimed(2), "the less urgent one has a turn of its own"
    assert ([(low, 1)], True) == claimed(1), "as many as asked for: there may be more"
    assert ([(low, 2)], False) == claimed(2)
    assert ([], False) == claimed(2)
    queue.requeue(worker, [Claim(low, 2, 1)])
    new = queue.job(1)
    assert ([], True) == claimed(2), "retried batches are for a claim that knows their limits"
    assert ["enqueued"] == queue.types(new), "what is not returned is not claimed"
