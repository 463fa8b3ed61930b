"""The dossier of a crash: what ended a process, and what it had in hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.crash import CrashCause, Dossier, Evidence
from evtrack.runtime.slot.failures import clean
from evtrack.runtime.worker.telling import item_in_hand

if TYPE_CHECKING:
    from evtrack.runtime.slot.protocol import Died, Row
    from evtrack.runtime.worker.slot_process import Death, SlotProcess

_STDERR_BOUND: Final = 4_000
_FAULT: Final = re.compile(r"^(Fatal Python error: .*)$", re.MULTILINE)
_LIMITS: Final = {cause.value: cause for cause in (CrashCause.TIMEOUT, CrashCause.STALLED, CrashCause.MEMORY_LIMIT)}


def dossier_of_slot(slot: SlotProcess, death: Death, row: Row, now: float) -> dict[str, Any]:
    """Tell how a slot died over a batch.

    Args:
        slot: The slot.
        death: How it ended.
        row: The batch that it had in hand.
        now: The monotonic clock.

    Returns:
        The crash event's data.
    """
    key, ordinal = item_in_hand(row, slot.page.item)
    stderr, native, python = _faults(slot.stderr_tail)
    evidence = Evidence(
        killed_for=_LIMITS.get(slot.killed_for or ""),
        item_key=None if key is None else clean(key, _STDERR_BOUND),
        ordinal=ordinal,
        run_s=max(0.0, round(now - slot.page.begun_at, 6)),
        peak_rss_bytes=death.peak_rss_bytes,
        cpu_s=round(death.cpu_s, 3),
        stderr=stderr or None,
        native_traceback=native,
        python_traceback=python,
    )
    data = Dossier.from_wait_status(death.wait_status, evidence).data()
    if slot.killed_for in {"pipe_closed", "protocol"}:
        # The signal is our own; what is to be told is why we sent it.
        data["cause"] = slot.killed_for
        data.pop("signal", None)
    return {**data, "pid": slot.pid}


def dossier_of_command(row: Row, frame: Died) -> dict[str, Any]:
    """Tell how a command died over a batch.

    Args:
        row: The batch.
        frame: What the slot says of it.

    Returns:
        The crash event's data.
    """
    key, ordinal = item_in_hand(row, None)
    stderr = clean(frame.stderr, _STDERR_BOUND, tail=True)
    evidence = Evidence(item_key=key, ordinal=ordinal, run_s=max(0.0, frame.run_s), stderr=stderr or None)
    return Dossier.from_exit(-abs(frame.signal), evidence).data()


def _faults(stderr: str) -> tuple[str, str | None, str | None]:
    """Part what faulthandler wrote from what the handler wrote."""
    found = list(_FAULT.finditer(stderr))
    if not found:
        return clean(stderr, _STDERR_BOUND, tail=True), None, None
    written, native, rest = stderr[: found[-1].start()], found[-1].group(1), stderr[found[-1].end() :]
    return (
        clean(written, _STDERR_BOUND, tail=True),
        clean(native, _STDERR_BOUND),
        clean(rest.strip(), _STDERR_BOUND) or None,
    )
