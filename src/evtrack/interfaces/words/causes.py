"""Describe what ended a process."""

from __future__ import annotations

from typing import Final, Protocol

from evtrack.domain.text import printable

_FATES: Final = {
    "completed": "completed later",
    "failed": "failed later",
    "running": "running again",
    "pending": "will run again",
}
"""What has become of an item that was in hand in a crash, where the status alone does not say it."""


class EndOfProcess(Protocol):
    """What ended a process, as its event has it."""

    @property
    def cause(self) -> str | None:
        """The kind of end; None if it is unknown."""
        ...

    @property
    def signal(self) -> str | None:
        """The signal, if that was it."""
        ...

    @property
    def exit_code(self) -> int | None:
        """The exit code, if that was it."""
        ...


def crash_cause(crash: EndOfProcess) -> str:
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


def crash_fate(fate: str) -> str:
    """Say what has become of an item that was in hand in a crash.

    Args:
        fate: Its status, or `poison`.
    """
    return _FATES.get(fate, fate)
