"""A signal to every process of a worker, as service managers send it: it stops, and no item is blamed."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from client import Client
from polling import eventually
from workers import alive, descendants, items_begun, statuses, submit, worker_process

pytestmark = [pytest.mark.integration, pytest.mark.crash]

EVERY_SIGNAL = pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name
)


def signal_all(worker: int, number: int, *, supervisor_after_s: float = 0.0, deepest_first: bool = True) -> list[int]:
    """Send a signal to every process of a worker, its supervisor last, and return the others."""
    below = descendants(worker)
    for pid in reversed(below) if deepest_first else below:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    time.sleep(supervisor_after_s)  # as long as the caller wants between two signals
    os.kill(worker, number)
    return below


def assert_nobody_is_blamed(queue: Client) -> None:
    assert [] == queue.rows("SELECT cause, signal, item_key FROM evtrack.crash")
    assert [] == queue.rows("SELECT type, data FROM evtrack.event WHERE type::text IN ('crashed', 'failed')")
    assert [] == queue.rows("SELECT kind FROM evtrack.alert")


@EVERY_SIGNAL
def test_a_signal_to_every_process_is_a_stop(queue: Client, dsn: str, tmp_path: Path, number: signal.Signals) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[json.dumps({"do": "sleep", "s": 1, "trace": str(trace)})] * 4)
    with worker_process(dsn, "--slots", "2") as worker:
        eventually(lambda: items_begun(trace, 2), 30)
        below = signal_all(worker.pid, number)
        worker.wait(20)
    assert_nobody_is_blamed(queue)
    found = statuses(queue, job)
    assert found.get("completed", 0) >= (0 if number == signal.SIGQUIT else 2), "running batches finish in the grace"
    assert 4 == found.get("completed", 0) + found.get("pending", 0)
    assert not any(alive(pid) for pid in below)


@pytest.mark.parametrize("do", ["die of signals", "exit on signals", "raise on signals", "interrupt on signals"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_slot_whose_handler_changed_its_signals_is_not_blamed(
    queue: Client, dsn: str, tmp_path: Path, number: signal.Signals, do: str
) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, json.dumps({"do": do, "s": 60, "trace": str(trace)}), handler="processes", max_errors=1)
    with worker_process(dsn, "--import", "process_handlers", "--slots", "1") as worker:
        eventually(trace.exists, 30)
        signal_all(worker.pid, number, supervisor_after_s=0 if do == "exit on signals" else 0.5)
        worker.wait(20)
    assert_nobody_is_blamed(queue)
    assert {"pending": 1} == statuses(queue, job)


def test_a_slot_that_dies_of_a_signal_of_its_own_is_a_crash(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    item: dict[str, Any] = {"do": "die of signals", "s": 60, "trace": str(trace)}
    submit(queue, json.dumps(item), handler="processes")
    with worker_process(dsn, "--import", "process_handlers", "--slots", "1"):
        eventually(trace.exists, 30)
        os.kill(int(trace.read_text()), signal.SIGTERM)
        crash = eventually(lambda: queue.rows("SELECT cause, signal, item_key FROM evtrack.crash"))
    assert [{"cause": "signal", "signal": "SIGTERM", "item_key": "k1"}] == crash


@EVERY_SIGNAL
def test_a_program_that_dies_of_a_stop_is_not_blamed(
    queue: Client, dsn: str, tmp_path: Path, number: signal.Signals
) -> None:
    begun = tmp_path / "begun"
    job = submit(queue, "{}", handler="program")
    with worker_process(dsn, "--exec", f"program=sh -c 'touch {begun}; exec sleep 60'", "--slots", "1") as worker:
        eventually(begun.exists, 30)
        signal_all(worker.pid, number, supervisor_after_s=0.5)
        worker.wait(20)
    assert_nobody_is_blamed(queue)
    assert {"pending": 1} == statuses(queue, job)


def test_a_program_that_fails_because_of_a_stop_is_not_blamed(queue: Client, dsn: str, tmp_path: Path) -> None:
    script = tmp_path / "program"
    script.write_text(f"#!/bin/sh\ntrap 'kill $!; exit 3' TERM\ntouch {tmp_path}/begun\nsleep 60 & wait; exit 3\n")
    script.chmod(0o755)
    job = submit(queue, "{}", handler="program")
    with worker_process(dsn, "--exec", f"program={script}", "--slots", "1") as worker:
        eventually((tmp_path / "begun").exists, 30)
        # A slot that gets the signal long after its program did takes the exit code for the program's own.
        signal_all(worker.pid, signal.SIGTERM, deepest_first=False)
        worker.wait(20)
    assert_nobody_is_blamed(queue)
    assert {"pending": 1} == statuses(queue, job)


def test_a_program_that_dies_of_a_signal_of_its_own_is_a_crash(queue: Client, dsn: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    submit(queue, "{}", handler="program")
    with worker_process(dsn, "--exec", f"program=sh -c 'echo $$ >{pid}; exec sleep 60'", "--slots", "1"):
        eventually(lambda: pid.exists() and pid.read_text().strip(), 30)
        os.kill(int(pid.read_text()), signal.SIGTERM)
        crash = eventually(lambda: queue.rows("SELECT cause, signal, item_key FROM evtrack.crash"))
    assert [{"cause": "signal", "signal": "SIGTERM", "item_key": "k1"}] == crash


def test_an_item_whose_child_dies_of_a_stop_is_not_blamed(queue: Client, dsn: str, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    item = {"do": "wait for child", "token": "601", "begun": str(begun)}
    job = submit(queue, json.dumps(item), handler="processes", max_errors=1)
    with worker_process(dsn, "--import", "process_handlers", "--slots", "1") as worker:
        eventually(begun.exists, 30)
        eventually(lambda: len(descendants(worker.pid)) > 3)
        signal_all(worker.pid, signal.SIGTERM, supervisor_after_s=0.5)
        worker.wait(20)
    assert_nobody_is_blamed(queue)
    assert {"pending": 1} == statuses(queue, job)


def test_what_is_killed_after_a_stop_is_not_blamed(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, json.dumps({"do": "sleep", "s": 60, "trace": str(trace)}))
    with worker_process(dsn, "--slots", "1") as worker:
        eventually(lambda: items_begun(trace, 1), 30)
        slot = int(trace.read_text().split()[-1])
        worker.send_signal(signal.SIGTERM)
        assert any("worker_stopping" in line for line in iter(worker.stderr.readline, ""))
        os.kill(slot, signal.SIGKILL)
        assert 0 == worker.wait(20)
    assert_nobody_is_blamed(queue)
    assert {"pending": 1} == statuses(queue, job)
