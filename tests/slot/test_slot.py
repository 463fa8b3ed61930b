"""A real slot, driven without a database: the outcomes of its batches, and how its death is reported."""

import os
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest

from evtrack.runtime.slot.protocol import BatchErrored, BatchesDone, BatchPartlyDone, CommandKilled, Setup, SlotUnready
from evtrack.runtime.worker.outcomes.crash_reports import slot_crash_report
from polling import eventually
from slot_driver import claimed_batch, run_times, slot, slot_setup
from workers import HANDLER_DIRECTORY


def lines(result: bytes | None) -> list[object]:
    return [msgspec.json.decode(line) if line else None for line in (result or b"").split(b"\n")]


def test_results_are_in_order_and_batches_without_results_have_none() -> None:
    with slot() as one:
        one.give(claimed_batch({"return": 1}, {}, {"return": {"a": [1]}}), claimed_batch({}, batch_no=2))
        eventually(lambda: len(run_times(one.receive(1))) == 2)
        assert [[1, None, {"a": [1]}], [None]] == [lines(result) for result in one.frames[0].results]
        one.give(claimed_batch({}, batch_no=3))
        assert BatchesDone(3, one.receive(2)[1].run_s, None) == one.frames[1]


def test_a_batch_handler_gets_items_keys_and_ordinals() -> None:
    with slot() as one:
        one.give(claimed_batch("a", "b", handler="echo", first=5))
        (done,) = one.receive(1)
        assert [["k5", 5, "a"], ["k6", 6, "b"]] == lines(done.results[0])


def test_an_item_that_raises_fails_alone() -> None:
    with slot() as one:
        one.give(claimed_batch({"return": 1}, {"do": "raise"}, {"return": 3}))
        (partly,) = one.receive(1)
        assert isinstance(partly, BatchPartlyDone)
        assert [1, 3] == lines(partly.results)
        (failure,) = partly.failures
        assert (1, "ValueError", "no \\0 to k2") == (failure.index, failure.type, failure.message)
        assert "misbehaving_handlers.py" in failure.traceback
        assert "runners.py" not in failure.traceback, "evtrack's own frames help nobody"


def test_a_batch_whose_items_all_raise_fails_and_names_each_item() -> None:
    with slot() as one:
        one.give(claimed_batch({"do": "raise"}, {"do": "odd"}))
        (failed,) = one.receive(1)
        assert isinstance(failed, BatchErrored)
        assert [(0, "ValueError"), (1, "TypeError")] == [(item.index, item.type) for item in failed.items]
        assert "no \\0 to k1 (and 1 more of 2 items)" == failed.message


def test_a_wrong_number_of_results_fails_the_batch_with_the_counts() -> None:
    with slot() as one:
        one.give(claimed_batch("a", "b", handler="too few"))
        (failed,) = one.receive(1)
        assert "the batch handler 'too few' returned 1 results for 2 items" in failed.message


def test_an_unknown_handler_fails_the_batch_by_name() -> None:
    with slot() as one:
        one.give(claimed_batch({}, handler="stranger"))
        (failed,) = one.receive(1)
        assert "needs the handler 'stranger'" in failed.message


def test_an_outcome_does_not_wait_for_the_next_slow_batch() -> None:
    with slot() as one:
        one.give(claimed_batch({"do": "sleep", "s": 0.1}), claimed_batch({"do": "sleep", "s": 30}, batch_no=2))
        (done,) = one.receive(1, timeout_s=10)
        assert 1 == len(done.run_s)
        assert 0.1 <= done.run_s[0] < 5


@pytest.mark.crash
@pytest.mark.parametrize(
    ("do", "cause", "signal_name", "exit_code"),
    [
        ("segv", "signal", "SIGSEGV", None),
        ("kill", "signal", "SIGKILL", None),
        ("_exit", "exit_code", None, 7),
        ("exit", "exit_code", None, 3),
        ("child", "signal", "SIGKILL", None),
    ],
)
def test_a_crash_names_its_cause_and_the_current_item(
    do: str, cause: str, signal_name: str | None, exit_code: int | None
) -> None:
    with slot() as one:
        one.give(
            claimed_batch({}), claimed_batch({}, {"do": do}, {}, batch_no=2, first=2), claimed_batch({}, batch_no=3)
        )
        death = one.wait_for_exit()
        held = list(one.process.held)
        place = one.process.page.seq - 1
        assert 2 == held[place][1], "the batch in hand is the second"
        dossier = slot_crash_report(one.process, death, held[place], time.monotonic())
        assert (cause, signal_name, exit_code) == (
            dossier["cause"],
            dossier.get("signal"),
            dossier.get("exit_code"),
        )
        assert ("k3", 3) == (dossier["item_key"], dossier["ordinal"])
        assert {0: b""} == one.process.page.results(), "the item before it is done"
        assert dossier["peak_rss_bytes"] > 1_000_000
        if do == "segv":
            assert "Fatal Python error: Segmentation fault" == dossier["native_traceback"]
            assert "misbehaving_handlers.py" in dossier["python_traceback"]


@pytest.mark.crash
def test_iterating_over_a_batch_marks_the_current_item() -> None:
    with slot() as one:
        one.give(claimed_batch({}, {"do": "kill"}, handler="iterate"))
        one.wait_for_exit()
        assert (1, 1) == (one.process.page.seq, one.process.page.item)


@pytest.mark.crash
def test_batches_completed_before_sys_exit_are_reported() -> None:
    with slot() as one:
        one.give(claimed_batch({"return": 1}), claimed_batch({"do": "exit"}, batch_no=2))
        one.wait_for_exit()
        assert [1] == [len(frame.run_s) for frame in one.frames]


@pytest.mark.crash
def test_children_of_a_dead_slot_are_killed() -> None:
    with slot() as one:
        one.give(claimed_batch({"do": "child"}))
        one.wait_for_exit()
        with pytest.raises(ProcessLookupError):
            eventually(lambda: os.killpg(one.process.pid, 0))


def test_a_slot_ignores_ctrl_c_and_prints_to_stderr_only() -> None:
    with slot() as one:
        os.kill(one.process.pid, signal.SIGINT)
        one.give(claimed_batch({"do": "print"}), claimed_batch({"do": "log"}, batch_no=2))
        eventually(lambda: len(run_times(one.receive(1))) == 2 or one.receive(2))
        eventually(lambda: one.process.stderr.read() or "hello from k1" in one.process.stderr.tail)
        eventually(lambda: one.process.stderr.read() or '"item_key": "k1"' in one.process.stderr.tail)


def test_a_retired_slot_exits_after_its_current_batch() -> None:
    with slot() as one:
        one.give(claimed_batch({"do": "sleep", "s": 0.3}), claimed_batch({}, batch_no=2))
        eventually(lambda: one.process.page.seq == 1)
        one.process.retire()
        death = one.wait_for_exit()
        assert (0, 1) == (death.wait_status, len(run_times(one.frames)))
        assert 1 == one.process.page.seq, "the second was not begun"


def test_a_retired_idle_slot_exits_at_once() -> None:
    with slot() as one:
        one.process.retire()
        assert 0 == one.wait_for_exit().wait_status


def test_a_failed_import_is_reported_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\nx / 0\n")
    with slot(Setup(["broken"], {}, [], str(tmp_path)), ready=False) as one:
        (said,) = one.receive(1)
        assert isinstance(said, SlotUnready)
        assert "broken" == said.module
        assert "x / 0" in said.text
        assert "importlib" not in said.text
        assert 1 == os.waitstatus_to_exitcode(one.wait_for_exit().wait_status)


def test_an_unknown_handler_name_is_reported_with_the_known_names() -> None:
    with slot(Setup(["misbehaving_handlers"], {}, ["absent"], HANDLER_DIRECTORY), ready=False) as one:
        (said,) = one.receive(1)
        assert "'absent'" in said.text
        assert "echo, iterate, nothing, printer, scripted, scripted batch, timed, too few" in said.text


def test_a_command_maps_lines_to_lines() -> None:
    with slot(slot_setup(cat=["cat"])) as one:
        one.give(claimed_batch({"a": 1}, "ü", handler="cat"))
        (done,) = one.receive(1)
        assert [{"a": 1}, "ü"] == lines(done.results[0])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("cat >/dev/null; echo trouble >&2; exit 4", "exit code 4: trouble"),
        ("cat >/dev/null; echo 1", "wrote 1 lines for 2 items"),
        ("cat >/dev/null; echo 1; echo {", "line 2 of the command's output is not JSON"),
        ("exit 5", "exit code 5"),
    ],
)
def test_a_failed_command_is_reported_with_its_status(script: str, message: str) -> None:
    with slot(slot_setup(sh=["sh", "-c", script])) as one:
        one.give(claimed_batch({"a": 1}, {"b": 2}, handler="sh"))
        (failed,) = one.receive(1)
        assert isinstance(failed, BatchErrored), failed
        assert message in failed.message


def test_a_background_process_of_a_command_does_not_delay_its_batch() -> None:
    # It has the command's pipes too, and is ended with the slot's group.
    with slot(slot_setup(sh=["sh", "-c", "sleep 300 & cat"])) as one:
        one.give(claimed_batch({"a": 1}, 2, handler="sh"))
        (done,) = one.receive(1, timeout_s=60)
        assert [{"a": 1}, 2] == lines(done.results[0])


@pytest.mark.crash
def test_a_command_killed_by_a_signal_crashes_the_batch_and_not_the_slot() -> None:
    with slot(slot_setup(sh=["sh", "-c", "echo last words >&2; kill -SEGV $$"])) as one:
        one.give(claimed_batch({}, handler="sh"), claimed_batch({"return": 1}, batch_no=2))
        died, done = one.receive(2)
        assert isinstance(died, CommandKilled)
        assert (signal.SIGSEGV, "last words") == (died.signal, died.stderr)
        assert [1] == lines(done.results[0])


def test_a_large_batch_passes_in_both_directions() -> None:
    big = "x" * 3_000_000
    with slot() as one:
        one.give(claimed_batch({"return": big}, {"return": big}))
        *progress, done = one.receive(3, timeout_s=30)
        assert [[0], [1]] == [frame.indexes for frame in progress], "what the page cannot hold is sent at once"
        assert [big, big] == lines(done.results[0])


@pytest.mark.crash
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can have a process killed with its parent")
def test_a_slot_dies_with_its_supervisor() -> None:
    reader, writer = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        with slot() as one:
            one.give(claimed_batch({"do": "sleep", "s": 60}))
            eventually(lambda: one.process.page.seq == 1)
            os.write(writer, str(one.process.pid).encode())
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(writer)
    pid = int(os.read(reader, 20))
    os.close(reader)
    os.waitpid(supervisor, 0)
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
