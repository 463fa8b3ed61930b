"""Whether a program failed because its whole service is being stopped."""

import math
from threading import Timer
from time import monotonic

import pytest

from evtrack.runtime.slot import lifetime
from evtrack.runtime.slot.failures import CommandFailed
from evtrack.runtime.slot.runners import may_be_interrupted


@pytest.fixture(autouse=True)
def _no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "_last_stop", -math.inf)


def test_a_signal_that_reaches_the_slot_after_its_program_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "_NEXT_SIGNAL_S", 30.0)
    begun = monotonic()
    timer = Timer(0.02, lambda: setattr(lifetime, "_last_stop", monotonic()))
    timer.start()
    assert may_be_interrupted(CommandFailed("exit code 3", exit_code=3), begun)
    timer.join()


def test_without_a_signal_the_failure_is_the_programs_own() -> None:
    assert not may_be_interrupted(CommandFailed("exit code 3", exit_code=3), monotonic())


def test_broken_output_waits_for_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "await_stop_signal", pytest.fail)
    assert not may_be_interrupted(CommandFailed("line 1 of the command's output is not JSON"), monotonic())
