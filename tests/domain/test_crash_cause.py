"""The cause of a crash follows from the wait status and the evidence."""

import os
import signal
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.domain.crash import STDERR_BOUND, CrashCause, CrashReport, Evidence, signal_name


def death_of(action: str) -> int:
    """Return the wait status of a child that ends itself by this code."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", f"import os, signal; {action}"], os.environ)
    return os.waitpid(pid, 0)[1]


def test_a_signal_is_named() -> None:
    dossier = CrashReport.from_wait_status(death_of("os.kill(os.getpid(), signal.SIGSEGV)"), Evidence())
    assert (dossier.cause, dossier.signal, dossier.exit_code) == (CrashCause.SIGNAL, "SIGSEGV", None)


def test_an_exit_code_is_kept() -> None:
    dossier = CrashReport.from_wait_status(death_of("os._exit(42)"), Evidence())
    assert (dossier.cause, dossier.signal, dossier.exit_code) == (CrashCause.EXIT_CODE, None, 42)


@given(st.integers(0, 255))
def test_exit_codes_are_decoded_like_the_system_does(code: int) -> None:
    status = code << 8
    assert os.waitstatus_to_exitcode(status) == CrashReport.from_wait_status(status, Evidence()).exit_code


@given(st.sampled_from(signal.Signals), st.booleans())
def test_signals_are_decoded_with_and_without_a_core_dump(number: signal.Signals, dumped: bool) -> None:  # noqa: FBT001
    assert number.name == CrashReport.from_wait_status(number | (0x80 if dumped else 0), Evidence()).signal


@pytest.mark.parametrize("status", [0x137F, 0xFFFF, -1])
def test_a_process_that_is_still_running_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"wait status {status} is not that of a dead process"):
        CrashReport.from_wait_status(status, Evidence())


def test_out_of_memory_needs_evidence() -> None:
    killed = -signal.SIGKILL
    assert CrashCause.SIGNAL is CrashReport.from_exit(killed, Evidence()).cause
    assert CrashCause.OUT_OF_MEMORY is CrashReport.from_exit(killed, Evidence(oom_kills=1)).cause
    assert CrashCause.SIGNAL is CrashReport.from_exit(-signal.SIGSEGV, Evidence(oom_kills=1)).cause


@pytest.mark.parametrize("limit", [CrashCause.TIMEOUT, CrashCause.STALLED, CrashCause.MEMORY_LIMIT])
def test_a_slot_killed_by_the_supervisor_exceeded_its_limit(limit: CrashCause) -> None:
    dossier = CrashReport.from_exit(-signal.SIGKILL, Evidence(killed_for=limit, oom_kills=1))
    assert (limit, "SIGKILL") == (dossier.cause, dossier.signal)


def test_a_slot_that_was_exiting_when_it_was_killed_for_its_closed_pipe_has_its_own_exit_code() -> None:
    evidence = Evidence(killed_for=CrashCause.PIPE_CLOSED)
    exited, killed = CrashReport.from_exit(3, evidence), CrashReport.from_exit(-signal.SIGKILL, evidence)
    assert (CrashCause.EXIT_CODE, 3) == (exited.cause, exited.exit_code)
    assert (CrashCause.PIPE_CLOSED, None) == (killed.cause, killed.exit_code)


def test_a_crash_report_contains_only_known_facts() -> None:
    evidence = Evidence(item_key="PubMed:8528200", ordinal=7, run_s=1.5, peak_rss_bytes=1024, cpu_s=0.5, stderr="oh\0")
    assert CrashReport.from_exit(-signal.SIGABRT, evidence).data() == {
        "cause": "signal",
        "signal": "SIGABRT",
        "item_key": "PubMed:8528200",
        "ordinal": 7,
        "run_s": 1.5,
        "peak_rss_bytes": 1024,
        "cpu_s": 0.5,
        "stderr": "oh\\0",
    }


def test_the_tail_of_a_long_stderr_is_kept() -> None:
    dossier = CrashReport.from_exit(1, Evidence(stderr="a" * STDERR_BOUND + "the end"))
    assert dossier.stderr is not None
    assert dossier.stderr.startswith("... aaa")
    assert len(dossier.stderr) == len("... ") + STDERR_BOUND
    assert dossier.stderr.endswith("the end")


def test_a_signal_without_a_name_keeps_its_number() -> None:
    assert signal_name(42) == "SIG42"
    assert signal_name(9) == "SIGKILL"


def test_an_exit_code_is_no_signal_not_even_zero() -> None:
    assert [(0, None), (1, None), (None, "SIGHUP")] == [
        (report.exit_code, report.signal) for code in (0, 1, -1) if (report := CrashReport.from_exit(code, Evidence()))
    ]


def test_a_crash_report_has_the_end_of_both_tracebacks() -> None:
    report = CrashReport.from_exit(1, Evidence(native_traceback="native", python_traceback="python"))
    assert ("native", "python") == (report.native_traceback, report.python_traceback)


def test_the_data_of_a_crash_report_is_plain_json() -> None:
    assert str is type(CrashReport.from_exit(1, Evidence()).data()["cause"])
