"""Batches that a worker runs apart: marks are committed before items begin, and a worker can belong to one batch."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from client import Client
from evtrack.domain.database_errors import TransientError
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.storage.queue.queue import Queue
from polling import eventually
from workers import alive, drain, items_begun, running_worker, submit

pytestmark = pytest.mark.integration


def isolate(queue: Client, job: int, level: str, *batch_nos: int) -> None:
    """Let batches of a job, or all, return from a worker with a level of isolation."""
    queue.handler = queue.one("SELECT handler FROM evtrack.job WHERE job_id = %s", job)
    worker = queue.worker()
    for claim in queue.claim(worker, job):
        wanted = level if claim.batch_no in batch_nos or not batch_nos else "none"
        queue.conn.execute(
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)"
            " SELECT job_day, job_id, batch_no, version + 1, 'requeued', attempt, %s,"
            " jsonb_build_object('reason', 'stopping', 'isolation', %s::text)"
            " FROM evtrack.batch WHERE job_id = %s AND batch_no = %s",
            (worker, wanted, job, claim.batch_no),
        )
    queue.conn.execute("SELECT evtrack.stop_worker(%s)", (worker,))


def item(trace: Path, **more: Any) -> str:
    return json.dumps({"trace": str(trace), "return": 1} | more)


def watch_marks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, bytes | None, int | None, bool]]:
    """Collect the marks that workers of this process commit: done, its result, in hand, exclusive."""
    seen: list[tuple[int | None, bytes | None, int | None, bool]] = []
    original = Queue.mark_items

    def mark_items(self: Queue, marks: Any) -> Any:
        seen.extend((mark.done, mark.line, mark.in_hand, mark.exclusive) for mark in marks)
        return original(self, marks)

    monkeypatch.setattr(Queue, "mark_items", mark_items)
    return seen


def test_what_becomes_of_each_item_of_a_suspect_is_committed_as_it_happens(
    queue: Client, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = watch_marks(monkeypatch)
    trace = tmp_path / "trace"
    job = submit(queue, item(trace), item(trace, do="raise once"), item(trace), batch_size=3, handler="scripted")
    isolate(queue, job, "exclusive")
    trace.touch()
    drain(dsn)
    assert [(None, None, 1, True), (1, b"1", 2, True), (2, b"1", 3, True)] == marks
    assert "finished" == queue.phase(job)
    assert ["k1", "k2", "k3"] == [line.split()[0] for line in trace.read_text().splitlines()]
    queue.check(job)


def test_a_batch_that_is_no_suspect_marks_nothing(
    queue: Client, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = watch_marks(monkeypatch)
    job = submit(queue, *[item(tmp_path / "trace")] * 4, handler="scripted")
    isolate(queue, job, "memory", 2)
    drain(dsn)
    assert ("finished", []) == (queue.phase(job), marks)


@pytest.mark.parametrize("handler", ["scripted batch", "program"])
def test_a_whole_batch_is_marked_once(
    queue: Client, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: str
) -> None:
    marks = watch_marks(monkeypatch)
    job = submit(queue, *[item(tmp_path / "trace")] * 3, batch_size=3, handler=handler)
    isolate(queue, job, "marked")
    drain(dsn, commands={"program": ["cat"]})
    assert [(None, None, 0, False)] == marks
    assert "finished" == queue.phase(job)


def test_a_database_that_is_away_holds_a_suspect_up_without_blame(
    queue: Client, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[item(trace)] * 4, batch_size=4, handler="scripted")
    isolate(queue, job, "marked")
    away_until: list[float] = []
    original = Queue.mark_items

    def mark_items(self: Queue, marks: Any) -> Any:
        if items_begun(trace, 2):
            away_until[:] = away_until or [time.monotonic() + 1.0]
            if time.monotonic() < away_until[0]:
                self._conn.close()
                raise TransientError("The connection to the database was lost")
        return original(self, marks)

    monkeypatch.setattr(Queue, "mark_items", mark_items)
    drain(dsn, limits=SlotLimits(timeout_s=0.5, stall_s=0.5))
    assert away_until
    assert ["enqueued", "started", "requeued", "started", "completed"] == queue.types(job)
    assert 4 == len(trace.read_text().splitlines())
    queue.check(job)


def test_the_slot_of_a_suspect_that_another_worker_has_is_killed(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, item(trace), item(trace, do="sleep", s=0.5), item(trace), batch_size=3, handler="scripted")
    isolate(queue, job, "marked")
    with running_worker(dsn, until_job=job) as one:
        eventually(lambda: items_begun(trace, 2))
        queue.conn.execute(
            "SELECT evtrack.requeue(worker_id, ARRAY[job_id], ARRAY[batch_no], ARRAY[attempt], 'stopping')"
            " FROM evtrack.batch WHERE job_id = %s AND status = 'running'",
            (job,),
        )
        one.join()
    started = [line.split()[0] + line.split()[3] for line in trace.read_text().splitlines()]
    assert ["k12", "k22", "k13", "k23", "k33"] == started, "the third item did not begin in the second attempt"
    assert [] == queue.rows("SELECT 1 FROM evtrack.event WHERE type = 'crashed'")
    queue.check(job)


def test_a_stopping_worker_lets_a_suspect_finish(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[item(trace, do="sleep", s=0.1)] * 5, batch_size=5, handler="scripted")
    isolate(queue, job, "marked")
    with running_worker(dsn) as one:
        eventually(lambda: items_begun(trace, 1))
        one.worker.stop()
        eventually(lambda: queue.one("SELECT stopping_at FROM evtrack.worker WHERE stopped_at IS NULL"))
        one.join()
    assert "completed" == queue.types(job)[-1]
    assert 5 == len(trace.read_text().splitlines())


def test_nothing_runs_beside_an_exclusive_batch_and_ordinary_work_is_not_held_up_for_long(
    queue: Client, dsn: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    items = [json.dumps({"trace": str(trace), "do": "sleep", "s": 0.05}) for _ in range(60)]
    job = submit(queue, *items, handler="timed")
    isolate(queue, job, "exclusive", 3, 17, 40)
    with running_worker(dsn, slots=3, until_job=job) as one:
        one.join(60)
    spans = {}
    for line in trace.read_text().splitlines():
        key, begun, ended = line.split()
        spans[key] = (float(begun), float(ended))
    assert 60 == len(spans)
    for key in ("k3", "k17", "k40"):
        begun, ended = spans[key]
        beside = [other for other, (start, end) in spans.items() if other != key and start < ended and end > begun]
        assert [] == beside
    queue.check(job)


@pytest.mark.parametrize("options", [{"slots": 1}, {"slots": 3}, {"slots": 1, "max_batches": 1}, {"max_batches": 2}])
@pytest.mark.parametrize("level", ["fresh_slot", "memory", "marked", "exclusive"])
def test_isolated_batches_are_all_run_whatever_the_worker(
    queue: Client, dsn: str, tmp_path: Path, level: str, options: dict[str, int]
) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[item(trace)] * 6, handler="scripted")
    isolate(queue, job, level, 1, 2, 5)
    drain(dsn, **options)
    assert "finished" == queue.phase(job)
    lines = [line.split() for line in trace.read_text().splitlines()]
    pids = {key: pid for key, *_, pid in lines}
    if level != "marked":
        first_of = {pid: key for key, *_, pid in reversed(lines)}
        assert {"k1", "k2", "k5"} <= set(first_of.values()), "nothing had run in their slots"
    assert 6 == len(pids)
    queue.check(job)


def test_an_exclusive_batch_of_a_job_that_is_cancelled_meanwhile_holds_nothing_up(
    queue: Client, dsn: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    slow = submit(queue, item(trace, do="sleep", s=0.6), handler="scripted", priority=5)
    job = submit(queue, item(trace), handler="scripted")
    other = submit(queue, item(trace), handler="scripted")
    isolate(queue, job, "exclusive")
    with running_worker(dsn, slots=2) as one:
        eventually(lambda: items_begun(trace, 1))
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'") == 2)
        queue.one("SELECT evtrack.cancel(%s)", job)
        eventually(lambda: [queue.phase(each) for each in (slow, other)] == ["finished"] * 2, 20)
        one.worker.stop()
        one.join()
    queue.check(job, other, slow)


def test_a_reserved_batch_is_given_back_at_a_stop(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    slow = submit(queue, item(trace, do="sleep", s=3.0), handler="scripted", priority=5)
    job = submit(queue, item(trace), handler="scripted")
    isolate(queue, job, "exclusive")
    with running_worker(dsn, slots=2) as one:
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'") == 2)
        eventually(lambda: items_begun(trace, 1))
        one.worker.stop()
        one.join()
    assert ("finished", "pending") == (
        queue.phase(slow),
        queue.one("SELECT status::text FROM evtrack.batch WHERE job_id = %s", job),
    )
    assert 1 == len(trace.read_text().splitlines())


def test_a_slot_that_dies_between_two_items_of_a_suspect_blames_neither(
    queue: Client, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[item(trace)] * 3, batch_size=3, handler="scripted")
    isolate(queue, job, "marked")
    original = Queue.mark_items
    kill = threading.Event()

    def mark_items(self: Queue, marks: Any) -> Any:
        if items_begun(trace, 2) and not kill.is_set():
            kill.set()
            (slot,) = [each for each in one.worker._slots if each.held]
            slot.kill(signal.SIGKILL)
            eventually(lambda: not alive(slot.pid))
        return original(self, marks)

    monkeypatch.setattr(Queue, "mark_items", mark_items)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    (crash,) = queue.rows("SELECT data FROM evtrack.event WHERE type = 'crashed'")
    assert "none" == crash["data"]["blame"]
    assert {0} == {row["crashes"] for row in queue.rows("SELECT crashes FROM evtrack.batch WHERE job_id = %s", job)}


def test_a_suspect_that_kills_its_slot_ends_as_poison(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    items = [item(trace, do="segv" if n == 6 else "") for n in range(1, 9)]
    job = submit(queue, *items, handler="scripted")
    isolate(queue, job, "marked")
    drain(dsn)
    fates = queue.rows("SELECT item_key FROM evtrack.item_status WHERE job_id = %s AND status = 'crashed'", job)
    assert ["k6"] == [row["item_key"] for row in fates]
    assert [6] == [row["ordinal"] for row in queue.rows("SELECT ordinal FROM evtrack.crash WHERE poison")]
    assert len(trace.read_text().splitlines()) <= 8 + 3
    assert "finished" == queue.phase(job)
    queue.check(job)


def test_a_suspect_that_crashed_after_others_gets_a_new_slot(queue: Client) -> None:
    job = submit(queue, "1", "2", "3", batch_size=3)
    isolate(queue, job, "marked")
    worker = queue.worker()
    (claim,) = queue.claim(worker, job)
    queue.crash(worker, [claim], cause="signal", signal="SIGSEGV", ordinal=2, isolated=False)
    levels = "SELECT isolation::text FROM evtrack.batch WHERE job_id = %s AND status = 'pending' ORDER BY batch_no"
    assert ["exclusive", "marked"] == [row["isolation"] for row in queue.rows(levels, job)]
    queue.check(job)
