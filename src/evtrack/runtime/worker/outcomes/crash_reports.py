"""The dossier of a crash: what ended a process, and what it had in hand."""

from __future__ import annotations

import os
import re
import signal
import socket
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.crash import LIMITS, CrashCause, CrashReport, Evidence
from evtrack.domain.text import storable
from evtrack.runtime.slot.handlers import HandlerKind
from evtrack.runtime.slot.protocol import CHANNEL_CLOSED, CommandKilled

if TYPE_CHECKING:
    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchErrored
    from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess

_STDERR_BOUND: Final = 4_000
_FAULT: Final = re.compile(r"^(Fatal Python error: .*)$", re.MULTILINE)
_TRACE: Final = re.compile(r"(?:^(?:Current thread|Thread) 0x.*:\n(?:^  .*\n|^\n)*)+\Z", re.MULTILINE)
_CAUSES: Final = {cause.value: cause for cause in (*LIMITS, CrashCause.PIPE_CLOSED, CrashCause.PROTOCOL)}
"""Why a supervisor kills a slot over its batch; for other reasons nothing is to blame."""
_UNKNOWN_KILL: Final = "SIGKILL, cause unknown: evtrack did not send it, and no control group counts a kill for memory"
_SERVER_LOST: Final = "the fork server was killed, and all slots with it: nobody can tell more"
_HOST: Final = socket.gethostname()


def slot_crash_report(slot: SlotProcess, death: SlotExit, row: ClaimedBatch, now: float) -> dict[str, Any]:
    """Tell how a slot died over a batch.

    Args:
        slot: The slot.
        death: How it ended.
        row: The batch that it had in hand.
        now: The monotonic clock.

    Returns:
        The crash event's data.
    """
    key, ordinal = row.item(slot.page.item)
    if slot.kind_of(row) != HandlerKind.ITEM and b"\n" in row.item_keys:
        # A handler of whole batches may have looked at it only: it is told, and not blamed.
        ordinal = None
    stderr, native, python = _faults(slot.stderr.tail)
    evidence = Evidence(
        killed_for=_CAUSES.get(slot.killed_for or ""),
        oom_kills=1 if death.oom_kill else 0,
        item_key=None if key is None else storable(key, _STDERR_BOUND),
        ordinal=ordinal,
        run_s=max(0.0, round(now - slot.page.begun_at, 6)),
        peak_rss_bytes=death.peak_rss_bytes or None,
        cpu_s=round(death.cpu_s, 3),
        stderr=stderr or None,
        native_traceback=native,
        python_traceback=python,
    )
    if death.wait_status is None:
        # Somebody killed the fork server, and every slot with it: that is no item's doing.
        data = CrashReport(cause=CrashCause.WORKER_LOST, item_key=evidence.item_key, run_s=evidence.run_s).data()
        return _placed({**data, "why": _SERVER_LOST}, slot.pid)
    data = CrashReport.from_wait_status(death.wait_status, evidence).data()
    if data.get("exit_code") == CHANNEL_CLOSED and os.WIFEXITED(death.wait_status):
        data["cause"] = CrashCause.PIPE_CLOSED.value
    return _placed(data, slot.pid, death.oom_kill)


def command_crash_report(slot: SlotProcess, row: ClaimedBatch, frame: CommandKilled | BatchErrored) -> dict[str, Any]:
    """Tell how a command died over a batch, or that it ended because it was told to.

    Args:
        slot: The slot that ran it, which lives.
        row: The batch.
        frame: What the slot says of it.

    Returns:
        The crash event's data.
    """
    key, ordinal = row.item(None)
    limit = _CAUSES.get(slot.killed_for or "")
    run_s = max(0.0, round(frame.run_s, 6))
    key = None if key is None else storable(key, _STDERR_BOUND)
    if not isinstance(frame, CommandKilled):
        # It took SIGTERM as a request, and failed: what matters is why it was asked.
        stderr = storable(frame.message, _STDERR_BOUND, keep_end=True)
        told = CrashReport(cause=limit or CrashCause.UNKNOWN, item_key=key, ordinal=ordinal, run_s=run_s, stderr=stderr)
        return _placed(told.data(), slot.pid)
    number = abs(frame.signal)
    oom_kill = slot.oom_kill() if number == signal.SIGKILL and limit is None else ""
    evidence = Evidence(
        killed_for=limit,
        oom_kills=1 if oom_kill else 0,
        item_key=key,
        ordinal=ordinal,
        run_s=run_s,
        peak_rss_bytes=max(0, frame.peak_rss_bytes) or None,
        cpu_s=max(0.0, frame.cpu_s),
        stderr=storable(frame.stderr, _STDERR_BOUND, keep_end=True) or None,
    )
    return _placed(CrashReport.from_exit(-number, evidence).data(), frame.pid or slot.pid, oom_kill)


def _placed(data: dict[str, Any], pid: int, oom_kill: str = "") -> dict[str, Any]:
    if data["cause"] == CrashCause.OUT_OF_MEMORY:
        data["why"] = f"the kernel killed for want of memory: {oom_kill}"
    if data["cause"] == CrashCause.SIGNAL and data.get("signal") == "SIGKILL":
        data["why"] = _UNKNOWN_KILL
    return {**data, "host": _HOST, "pid": pid}


def _faults(stderr: str) -> tuple[str, str | None, str | None]:
    """Part what faulthandler wrote from what the handler wrote."""
    found = list(_FAULT.finditer(stderr))
    if found:
        written, native, rest = stderr[: found[-1].start()], found[-1].group(1), stderr[found[-1].end() :]
    elif trace := _TRACE.search(stderr[-2 * _STDERR_BOUND :]):
        native, rest = None, trace.group()
        written = stderr.removesuffix(rest)
    else:
        return storable(stderr, _STDERR_BOUND, keep_end=True), None, None
    return (
        storable(written, _STDERR_BOUND, keep_end=True),
        None if native is None else storable(native, _STDERR_BOUND),
        storable(rest.strip(), _STDERR_BOUND) or None,
    )
