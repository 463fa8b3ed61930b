"""Maintenance that every worker does for all, and what it does when its slots keep dying."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from client import Client
from command_line import evtrack
from evtrack.config import LONGEST_S
from evtrack.domain.column_types import BIGINT_MAX
from evtrack.domain.database_errors import TransientError
from evtrack.domain.errors import BadArgument
from evtrack.domain.log_names import SLOT_DIED_EARLY, SLOTS_KEEP_DYING, SLOTS_RECOVERED, WORKER_LOST
from evtrack.runtime.maintenance import REAP_S, Maintenance
from evtrack.runtime.slot.protocol import Setup
from evtrack.runtime.worker.slots.process import SlotProcess
from evtrack.runtime.worker.supervisor import Supervisor
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.queue import workers
from evtrack.storage.queue.workers import bound_waits, heartbeat, lock_worker
from polling import eventually
from workers import WorkerThread, running_worker

pytestmark = pytest.mark.integration

MODULE = """
import ctypes
from pathlib import Path

import evtrack

if Path(__file__).with_name("flag").exists():
    ctypes.string_at(0)


@evtrack.handler("late")
def late(item):
    return item
"""


def due(**options: float) -> Maintenance:
    """Return maintenance that is due at once."""
    one = Maintenance(**options)
    one._ask_at = one._reap_at = one._partitions_at = 0.0
    return one


def test_a_lost_worker_is_reported_and_suitable_workers_are_woken(queue: Client, dsn: str) -> None:
    gone = queue.worker()
    job = queue.job(2)
    queue.claim(gone, job)
    queue.conn.execute("UPDATE evtrack.worker SET seen_at = now() - interval '31 seconds'")
    queue.run_steadily()
    with connect(dsn, purpose="listen") as listener, capture_logs() as logs:
        listener.execute("LISTEN evtrack_work")
        due().run_due(queue.conn, time.monotonic())
        (notice,) = listener.notifies(timeout=5, stop_after=1)
    (told,) = [entry for entry in logs if entry["event"] == WORKER_LOST]
    assert (gone, 2, "no heartbeat", "error") == tuple(
        told[name] for name in ("lost_worker_id", "batches", "why", "log_level")
    )
    assert "scripted" == notice.payload
    assert ["pending", "pending"] == [batch.status for batch in queue.batches(job).values()]


def test_a_live_worker_is_left_alone_however_long_its_batch_runs(queue: Client) -> None:
    worker = queue.worker()
    job = queue.job(1)
    queue.claim(worker, job)
    for _ in range(3):
        assert heartbeat(queue.conn, worker, busy=1).accepted
        due(lease_s=0.5, grace_s=0).run_due(queue.conn, time.monotonic())
    assert "running" == queue.batch(job).status


def test_a_worker_without_a_row_was_lost(queue: Client) -> None:
    assert not heartbeat(queue.conn, 987_654, busy=1).accepted


def test_partitions_of_coming_days_are_created(queue: Client) -> None:
    count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'evtrack.event'::regclass"
    before = queue.one(count)
    last = queue.one(
        "SELECT to_char(max(substr(relname, 7)::date), 'YYYYMMDD') FROM pg_class WHERE relname ~ '^event_2[0-9]{7}$'"
    )
    for table in ("event", "batch", "payload", "result"):
        queue.conn.execute(f"DROP TABLE evtrack.{table}_{last}")  # type: ignore[call-overload]  as just named
    assert before - 1 == queue.one(count)
    with capture_logs() as logs:
        due().run_due(queue.conn, time.monotonic())
    assert [1] == [entry["days"] for entry in logs if entry["event"] == "partitions_created"]
    assert before == queue.one(count)


def test_maintenance_that_fails_is_retried_and_harms_nobody(queue: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_OVERDUE", "no number")
    one = due()
    one._overdue_at = 0.0
    with capture_logs() as logs:
        one.run_due(queue.conn, time.monotonic())
    assert ["maintenance_failed"] == [entry["event"] for entry in logs]
    assert 0.2 < one.due_in_s(time.monotonic()) <= REAP_S


def test_invalid_limits_are_refused() -> None:
    with pytest.raises(BadArgument, match="lease_s must be above 0, got 0"):
        Maintenance(lease_s=0)
    with pytest.raises(BadArgument, match="grace_s must not be negative, got -1"):
        Maintenance(grace_s=-1)


def test_an_idle_transaction_is_ended(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_TIMEOUT", "100ms")
    one = connect(dsn, purpose="stopped")
    with connect(dsn, purpose="other") as other:
        bound_waits(one)
        one.execute("BEGIN")
        one.execute("SELECT pg_advisory_xact_lock(1)")
        eventually(lambda: other.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,))
    with pytest.raises(TransientError) as caught, translated():
        one.execute("SELECT 1")
    assert caught.value.connection_lost, "the worker connects again"
    one.close()


def test_behind_a_transaction_pooler_the_heartbeat_is_used_and_logged_once(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold(_: Connection, worker_id: int) -> bool:
        # As a pooler does: each statement may come through another session.
        with connect(dsn, purpose="another session") as session:
            return lock_worker(session, worker_id)

    monkeypatch.setattr("evtrack.runtime.worker.database.heartbeat.lock_worker", hold)
    with capture_logs() as logs, running_worker(dsn, lease_s=0.6, lose_grace_s=0):
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker") == 1)
        first = queue.one("SELECT seen_at FROM evtrack.worker")
        eventually(lambda: queue.one("SELECT extract(epoch FROM max(seen_at) - %s) FROM evtrack.worker", first) > 2)
        assert [{"session_lock": False, "lost_at": None}] == queue.rows(
            "SELECT session_lock, lost_at FROM evtrack.worker"
        )
    assert 1 == [entry["event"] for entry in logs].count("session_lock_unavailable")


@pytest.mark.crash
def test_a_fenced_worker_gives_no_batch_to_killed_slots(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[threading.Timer] = []
    kill = SlotProcess.kill

    def late(slot: SlotProcess, number: int = signal.SIGKILL, *, reason: str | None = None) -> None:
        if reason != "fenced":
            kill(slot, number, reason=reason)
            return
        # As on a busy machine: it takes a while to die, and before it has the worker works again.
        slot.killed_for = reason
        killed.append(threading.Timer(0.5, kill, (slot,)))
        killed[-1].start()

    monkeypatch.setattr(SlotProcess, "kill", late)
    with running_worker(dsn, slots=2):
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker") == 1)
        queue.conn.execute("UPDATE evtrack.worker SET lost_at = now()")
        items = ['{"do": "sleep", "s": 1}'] * 2
        job = queue.one("SELECT evtrack.enqueue('scripted', '{a,b}', %s, batch_size => 1)", items)
        eventually(lambda: queue.phase(job) == "finished", 20)
    assert len(killed) >= 2
    assert ["enqueued", "started", "completed"] == queue.types(job)


@pytest.mark.crash
def test_slots_that_die_at_import_are_restarted_with_backoff(queue: Client, dsn: str, tmp_path: Path) -> None:
    # Repetitions are logged at debug level, which an earlier test may have disabled.
    structlog.reset_defaults()
    (tmp_path / "late.py").write_text(MODULE, encoding="utf-8")
    flag = tmp_path / "flag"
    one = WorkerThread(Supervisor(dsn=dsn, setup=Setup(["late"], {}, [], str(tmp_path)), slots=1))
    with capture_logs() as logs:
        one.thread.start()
        try:
            eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker") == 1, 30)
            flag.touch()
            eventually(lambda: _kill_slots(one) or _told(logs), 20)
            (first, *_) = _told(logs)
            begun, seen = time.monotonic(), len(_failures(logs))
            eventually(lambda: time.monotonic() - begun > 3 and len(_failures(logs)) > seen, 30)
            assert len(_failures(logs)) - seen <= time.monotonic() - begun + 1, "it goes on, and does not spin"
            pauses = [entry["retry_in_s"] for entry in _failures(logs)]
            assert pauses == sorted(pauses)
            assert 1 == len(_told(logs)), "what has been said is not said again"
            assert "Segmentation fault" in first["stderr"]
            told = queue.rows("SELECT facts FROM evtrack.alert WHERE kind = 'slots_keep_dying'")
            assert ["SIGSEGV"] == [row["facts"]["said"].split()[-1].strip(".") for row in told]
            flag.unlink()
            job = queue.one("SELECT evtrack.enqueue('late', '{k}', '{1}')")
            eventually(lambda: queue.phase(job) == "finished", 30)
            assert SLOTS_RECOVERED in [entry["event"] for entry in logs]
        finally:
            one.worker.stop(at_once=True)
            one.join()


def _kill_slots(one: WorkerThread) -> None:
    for slot in one.worker._slots:
        if slot.kinds is not None:
            with suppress(ProcessLookupError):  # it is looked after by another thread, and may be gone by now
                os.kill(slot.pid, signal.SIGKILL)


def _told(logs: list[Any]) -> list[Any]:
    return [entry for entry in logs if entry["event"] == SLOTS_KEEP_DYING]


def _failures(logs: list[Any]) -> list[Any]:
    return [entry for entry in logs if entry["event"] in {SLOT_DIED_EARLY, SLOTS_KEEP_DYING}]


def test_the_longest_valid_times_are_accepted(dsn: str) -> None:
    most = str(LONGEST_S)
    common = ("--lease", most, "--lose-grace", most, "--dsn", dsn)
    done = evtrack("work", "--exec", "h=true", "--slots", "1", "--drain", "--grace", most, "--stall", most, *common)
    assert 0 == done.returncode, done.stderr
    watched = ("--never-started", most, "--crash-window", most, "--max-pending", str(BIGINT_MAX), "--least-attempts")
    done = evtrack("watch", "--once", *watched, str(BIGINT_MAX), *common)
    assert 0 == done.returncode, done.stderr
