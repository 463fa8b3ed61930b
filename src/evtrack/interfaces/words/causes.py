"""Describe what ended a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evtrack.domain.text import printable

if TYPE_CHECKING:
    from evtrack.storage.reports.batch_reports import Crash


def crash_cause(crash: Crash) -> str:
    """Describe what ended a process in a few words.

    Args:
        crash: A crash.

    Returns:
        As `SIGSEGV`, `exit code 3`, or `out of memory (SIGKILL)`; printable.
    """
    cause = printable(crash.cause or "unknown", 40).replace("_", " ")
    signal = printable(crash.signal, 40) if crash.signal else ""
    if cause == "signal":
        return signal or cause
    if cause == "exit code":
        return f"exit code {'?' if crash.exit_code is None else crash.exit_code}"
    return f"{cause} ({signal})" if signal else cause
