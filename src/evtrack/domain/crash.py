"""Why a process died: the cause, and the crash report that the crash event stores."""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeFloat, NonNegativeInt

from evtrack.domain.text import storable

STDERR_BOUND: Final = 4_000
"""Characters of stderr, and of each traceback, that a crash report keeps; the log stores no bulk data."""


class CrashCause(StrEnum):
    """What ended a process, as far as the evidence shows."""

    SIGNAL = "signal"
    EXIT_CODE = "exit_code"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    MEMORY_LIMIT = "memory_limit"
    PIPE_CLOSED = "pipe_closed"
    PROTOCOL = "protocol"
    WORKER_LOST = "worker_lost"
    UNKNOWN = "unknown"


LIMITS: Final = frozenset({CrashCause.TIMEOUT, CrashCause.STALLED, CrashCause.MEMORY_LIMIT})
"""Limits of a batch; when one is exceeded, the supervisor ends the process."""

_OUR_SIGNAL: Final = frozenset({CrashCause.PIPE_CLOSED, CrashCause.PROTOCOL})
"""Causes for which the supervisor kills at once; the signal is its own."""


class Evidence(BaseModel):
    """What the supervisor knows about a dead slot besides its wait status.

    Args:
        killed_for: Why the supervisor itself killed the slot, if it did.
        oom_kills: By how much the control group's oom_kill counter rose while the slot ran; without a rise no death
            counts as out of memory.
        item_key: Key of the current item.
        ordinal: Ordinal of the current item.
        run_s: How long the batch had run.
        peak_rss_bytes: Peak memory of the process.
        cpu_s: CPU time that it used.
        stderr: What it wrote to stderr; the end is kept.
        native_traceback: faulthandler's line about the signal.
        python_traceback: faulthandler's Python stack.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    killed_for: CrashCause | None = None
    oom_kills: NonNegativeInt = 0
    item_key: str | None = None
    ordinal: NonNegativeInt | None = None
    run_s: NonNegativeFloat | None = None
    peak_rss_bytes: NonNegativeInt | None = None
    cpu_s: NonNegativeFloat | None = None
    stderr: str | None = None
    native_traceback: str | None = None
    python_traceback: str | None = None


class CrashReport(BaseModel):
    """What is known about a crash: the data of the crash event.

    Its ``blame`` is ``none`` when it counts against nobody, ``isolated`` is false when other items had run in that slot
    or beside this one, and ``exclusive`` is true when a lost worker had nothing else in hand.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    # Another client may write a cause unknown to this version; its crash must still be readable.
    cause: Annotated[CrashCause | str, Field(union_mode="left_to_right")] = CrashCause.UNKNOWN
    signal: str | None = None
    exit_code: int | None = Field(default=None, ge=0, le=255)
    item_key: str | None = None
    ordinal: NonNegativeInt | None = None
    run_s: NonNegativeFloat | None = None
    peak_rss_bytes: NonNegativeInt | None = None
    cpu_s: NonNegativeFloat | None = None
    stderr: str | None = None
    native_traceback: str | None = None
    python_traceback: str | None = None
    # Values of any type are read: another client may have used these names for facts of its own.
    blame: JsonValue = None
    isolated: JsonValue = None
    exclusive: JsonValue = None

    @classmethod
    def from_wait_status(cls, wait_status: int, evidence: Evidence) -> CrashReport:
        """Build the report from what waitpid returned.

        Args:
            wait_status: The second value of ``os.waitpid``.
            evidence: What else is known.

        Returns:
            The report.

        Raises:
            ValueError: The status is not that of a dead process.
        """
        # Decoded by hand: the domain does not import os, and all supported POSIX systems agree on these bits.
        low = wait_status & 0x7F
        if wait_status < 0 or low == 0x7F:  # noqa: PLR2004  the mark of a stopped process
            message = f"wait status {wait_status} is not that of a dead process"
            raise ValueError(message)
        return cls.from_exit(-low if low else wait_status >> 8 & 0xFF, evidence)

    @classmethod
    def from_exit(cls, returncode: int, evidence: Evidence) -> CrashReport:
        """Build the report from a return code as subprocess reports it.

        Args:
            returncode: The exit code, or minus the number of the signal.
            evidence: What else is known.

        Returns:
            The report.
        """
        number = -returncode if returncode < 0 else None
        return cls(
            cause=_cause(number, evidence),
            signal=None if number is None or evidence.killed_for in _OUR_SIGNAL else signal_name(number),
            exit_code=returncode if returncode >= 0 else None,
            item_key=evidence.item_key,
            ordinal=evidence.ordinal,
            run_s=evidence.run_s,
            peak_rss_bytes=evidence.peak_rss_bytes,
            cpu_s=evidence.cpu_s,
            stderr=_tail(evidence.stderr),
            native_traceback=_tail(evidence.native_traceback),
            python_traceback=_tail(evidence.python_traceback),
        )

    def data(self) -> dict[str, Any]:
        """Return the event's data, without unknown facts.

        Returns:
            A dict ready for JSON.
        """
        return self.model_dump(mode="json", exclude_none=True)


def signal_name(number: int) -> str:
    """Return the name of a signal.

    Returns:
        Its name, such as ``SIGSEGV``; ``SIG42`` if the platform has no name for it.
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _cause(signal_number: int | None, evidence: Evidence) -> CrashCause:
    # A process that exits closes its pipe first, and may take long for the rest: it was not the kill that ended it.
    ends_itself = signal_number is None and evidence.killed_for == CrashCause.PIPE_CLOSED
    if evidence.killed_for is not None and not ends_itself:
        return evidence.killed_for
    if signal_number == signal.SIGKILL and evidence.oom_kills:
        return CrashCause.OUT_OF_MEMORY
    return CrashCause.EXIT_CODE if signal_number is None else CrashCause.SIGNAL


def _tail(text: str | None) -> str | None:
    # A dying process may print anything.
    return None if text is None else storable(text, STDERR_BOUND, keep_end=True)
