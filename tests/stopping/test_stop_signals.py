"""Real signals to the real command: running batches finish or are requeued, and no process is left."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import Client
from command_line import evtrack_process
from polling import eventually
from workers import (
    HANDLER_DIRECTORY,
    alive,
    children,
    descendants,
    items_begun,
    slots_of,
    statuses,
    submit,
    worker_process,
)

pytestmark = [pytest.mark.integration, pytest.mark.crash]


def running(queue: Client, count: int) -> bool:
    return queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'") == count


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_lets_running_batches_finish_and_requeues_the_rest(
    queue: Client, dsn: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[json.dumps({"do": "sleep", "s": 0.8, "trace": str(trace)})] * 6)
    with worker_process(dsn, "--slots", "2") as worker:
        eventually(lambda: items_begun(trace, 2), 30)
        slots = slots_of(worker.pid)
        worker.send_signal(number)
        assert code == worker.wait(20)
    found = statuses(queue, job)
    assert ({"completed", "pending"}, 6) == (set(found), sum(found.values()))
    assert found["completed"] <= 2 + 2, "nothing new was begun"
    assert [] == queue.rows("SELECT * FROM evtrack.crash")
    assert not any(alive(pid) for pid in slots)


def test_a_second_signal_stops_at_once_and_requeues_running_batches(queue: Client, dsn: str) -> None:
    job = submit(queue, *['{"do": "sleep", "s": 60}'] * 3)
    with worker_process(dsn, "--slots", "2") as worker:
        eventually(lambda: running(queue, 2), 30)
        slots = slots_of(worker.pid)
        worker.send_signal(signal.SIGTERM)
        # Two signals of a kind that come before the first is heard are one.
        assert any("worker_stopping" in line for line in iter(worker.stderr.readline, ""))
        worker.send_signal(signal.SIGTERM)
        assert 0 == worker.wait(30)
    assert {"pending": 3} == statuses(queue, job)
    reasons = queue.rows("SELECT DISTINCT data ->> 'reason' AS reason FROM evtrack.event WHERE type = 'requeued'")
    assert [{"reason": "stopping"}] == reasons
    assert not any(alive(pid) for pid in slots)


def test_a_worker_killed_with_sigkill_leaves_no_slot(queue: Client, dsn: str) -> None:
    submit(queue, *['{"do": "sleep", "s": 60}'] * 2)
    with worker_process(dsn, "--slots", "2") as worker:
        eventually(lambda: running(queue, 2), 30)
        below = descendants(worker.pid)
        assert len(below) >= 1 + 2
        worker.kill()
        worker.wait(30)
        eventually(lambda: not any(alive(pid) for pid in below), 30)


def test_killing_the_fork_server_costs_no_item_its_budget(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[json.dumps({"do": "sleep", "s": 2, "return": 1, "trace": str(trace)})] * 4)
    with worker_process(dsn, "--slots", "2", "--drain") as worker:
        eventually(lambda: items_begun(trace, 2), 30)
        (server,) = children(worker.pid)
        slots = children(server)
        os.kill(server, signal.SIGTERM)
        assert set(slots) <= set(children(server)), "what is sent to a whole service is the supervisor's to hear"
        os.kill(server, signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in slots), 30)
        _, stderr = worker.communicate(timeout=60)
        assert 0 == worker.returncode, stderr
    assert {"completed": 4} == statuses(queue, job)
    assert {("worker_lost", False)} == {
        (row["cause"], row["poison"]) for row in queue.rows("SELECT cause, poison FROM evtrack.crash")
    }
    assert 0 == queue.one("SELECT max(crashes) FROM evtrack.batch")


def test_a_slot_killed_from_outside_is_reported_with_its_current_item_and_replaced(
    queue: Client, dsn: str, tmp_path: Path
) -> None:
    submit(queue, json.dumps({"do": "sleep", "s": 60, "trace": str(tmp_path / "trace")}))
    with worker_process(dsn, "--slots", "1") as worker:
        # What dies before it begins costs no item anything.
        eventually(lambda: items_begun(tmp_path / "trace", 1), 30)
        (slot, *_) = slots_of(worker.pid)
        os.kill(slot, signal.SIGKILL)
        crash = eventually(lambda: queue.rows("SELECT cause, signal, item_key, ordinal FROM evtrack.crash"), 30)
        assert [{"cause": "signal", "signal": "SIGKILL", "item_key": "k1", "ordinal": 1}] == crash
        eventually(lambda: running(queue, 1), 30)
        assert 2 == queue.one("SELECT attempt FROM evtrack.batch")


def test_a_segfault_on_one_key_stops_nothing_else(queue: Client, dsn: str) -> None:
    job = submit(queue, *['{"return": 1}'] * 50, '{"do": "segv"}', *['{"return": 1}'] * 49)
    with worker_process(dsn, "--slots", "2", "--drain") as worker:
        _, stderr = worker.communicate(timeout=60)
        assert 0 == worker.returncode, stderr
    assert {"completed": 99, "crashed": 1} == statuses(queue, job)
    crashes = queue.rows("SELECT signal, item_key FROM evtrack.crash")
    assert [{"signal": "SIGSEGV", "item_key": "k51"}] * 2 == crashes
    assert "slot_crashed" in stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_reports_what_is_left_and_how_to_continue(
    queue: Client, dsn: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    source = tmp_path / "items.jsonl"
    source.write_text('{"do": "sleep", "s": 0.5}\n' * 20)
    with run_command(dsn, str(source), "--batch-size", "1", "--slots", "1") as process:
        eventually(lambda: queue.rows("SELECT 1 FROM evtrack.batch WHERE status = 'completed'"), 30)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert code == process.returncode, stderr
    left = queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'pending'")
    assert f"Job 1 is not finished: {left} of 20 items left." in stderr
    assert "Continue with: evtrack work --import misbehaving_handlers" in stderr
    assert "--resume" not in stderr
    found = queue.rows("SELECT DISTINCT status::text FROM evtrack.batch ORDER BY 1")
    assert [{"status": "completed"}, {"status": "pending"}] == found


def test_a_run_stopped_while_reading_reports_how_to_read_the_rest(queue: Client, dsn: str) -> None:
    with run_command(dsn, "-", "--batch-size", "1", "--slots", "1", stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write('{"return": 1}\n' * 2000)
        process.stdin.flush()
        eventually(lambda: queue.rows("SELECT 1 FROM evtrack.batch WHERE status = 'completed'"), 30)
        process.send_signal(signal.SIGTERM)
        assert 143 == process.wait(20), "also while it waits for more"
        _, stderr = process.communicate()
    assert "Read the rest: evtrack submit --resume 1" in stderr


@contextmanager
def run_command(dsn: str, *words: str, stdin: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run `evtrack run` with tests/support/handlers/misbehaving_handlers.py; kill it when the block ends."""
    words = ("run", *words, "--dsn", dsn, "--import", "misbehaving_handlers", "--handler", "scripted")
    with evtrack_process(*words, cwd=HANDLER_DIRECTORY, stdin=stdin) as process:
        yield process
