"""Why a process died: the cause, and the dossier that the crash event keeps."""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from evtrack.domain.text import storable

STDERR_BOUND: Final = 4_000
"""Characters of stderr, and of each traceback, that a dossier keeps; the log holds no bulk."""


class CrashCause(StrEnum):
    """What ended a process, as far as evidence goes."""

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
"""Limits of a batch, for which a supervisor ends its process."""

_OUR_SIGNAL: Final = frozenset({CrashCause.PIPE_CLOSED, CrashCause.PROTOCOL})
"""Killed by the supervisor at once; its signal says nothing about the process."""


class Evidence(BaseModel):
    """What the supervisor knows of a dead slot beside its wait status.

    Args:
        killed_for: Why the supervisor itself killed the slot, if it did.
        oom_kills: How far the cgroup's oom_kill counter rose while the slot ran; without a rise nothing is called
            out of memory.
        item_key: Key of the item in hand.
        ordinal: Ordinal of the item in hand.
        run_s: How long the batch had run.
        peak_rss_bytes: Most memory the process held.
        cpu_s: CPU time it had used.
        stderr: What it wrote to stderr; the tail is kept.
        native_traceback: What faulthandler wrote about the signal.
        python_traceback: Stack of the Python code at that moment.
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
    """What a crash event says of a crash; written as the event's data."""

    model_config = ConfigDict(frozen=True, extra="allow")

    # Another client may know a cause that we do not; its crash must still be readable.
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

    @classmethod
    def from_wait_status(cls, wait_status: int, evidence: Evidence) -> CrashReport:
        """Judge a death by what waitpid returned.

        Args:
            wait_status: The second value of ``os.waitpid``.
            evidence: What else is known.

        Returns:
            The dossier.

        Raises:
            ValueError: The status is that of a process which is not dead.
        """
        # Decoded by hand: the domain does not import os, and POSIX systems that we run on agree on these bits.
        low = wait_status & 0x7F
        if wait_status < 0 or low == 0x7F:  # noqa: PLR2004  the mark of a stopped process
            message = f"wait status {wait_status} is not that of a dead process"
            raise ValueError(message)
        return cls.from_exit(-low if low else wait_status >> 8 & 0xFF, evidence)

    @classmethod
    def from_exit(cls, returncode: int, evidence: Evidence) -> CrashReport:
        """Judge a death by a return code as subprocess and multiprocessing give it.

        Args:
            returncode: The exit code, or minus the number of the signal.
            evidence: What else is known.

        Returns:
            The dossier.
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
        """Give the event's data: what is known, and nothing about what is not.

        Returns:
            A dict ready for JSON.
        """
        return self.model_dump(mode="json", exclude_none=True)


def signal_name(number: int) -> str:
    """Name a signal.

    Args:
        number: Its number.

    Returns:
        Its name, like ``SIGSEGV``; ``SIG42`` where the platform has no name for it.
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _cause(signal_number: int | None, evidence: Evidence) -> CrashCause:
    if evidence.killed_for is not None:
        return evidence.killed_for
    if signal_number == signal.SIGKILL and evidence.oom_kills:
        return CrashCause.OUT_OF_MEMORY
    return CrashCause.EXIT_CODE if signal_number is None else CrashCause.SIGNAL


def _tail(text: str | None) -> str | None:
    # A dying process may print anything.
    return None if text is None else storable(text, STDERR_BOUND, keep_end=True)
