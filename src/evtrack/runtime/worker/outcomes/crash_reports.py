"""Builds the crash report of a slot or command: what ended the process, and which item it was working on."""

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
from evtrack.runtime.worker.outcomes.frame_checks import is_duration

if TYPE_CHECKING:
    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchErrored
    from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess

_STDERR_BOUND: Final = 4_000
_FAULT: Final = re.compile(r"^(Fatal Python error: .*)$", re.MULTILINE)
_TRACE: Final = re.compile(r"(?:^(?:Current thread|Thread) 0x.*:\n(?:^  .*\n|^\n)*)+\Z", re.MULTILINE)
_CAUSES: Final = {cause.value: cause for cause in (*LIMITS, CrashCause.PIPE_CLOSED, CrashCause.PROTOCOL)}
"""Why a supervisor kills a slot because of its batch; for other reasons no batch is blamed."""
_UNKNOWN_KILL: Final = (
    "SIGKILL, cause unknown: evtrack did not send it, and no control group counted an out-of-memory kill"
)
_FORK_SERVER_KILLED: Final = "the fork server was killed, and all slots with it; the killer is unknown"
_HOST: Final = storable(socket.gethostname(), 255)
_OF_THE_SLOT: Final = {*LIMITS, CrashCause.OUT_OF_MEMORY}
"""Causes that lie with what the slot holds or how long it ran, which need not be the item in hand."""
_NO_BLAME: Final = {"blame": "none"}
"""The crash counts against no item."""
_NOT_ISOLATED: Final = {"isolated": False}
"""The crash counts, but another item may have caused it: alone it makes no item poison."""


def slot_crash_report(
    slot: SlotProcess, ended: SlotExit, batch: ClaimedBatch, now: float, *, others_busy: bool = False
) -> dict[str, Any]:
    """Report how a slot died while it ran a batch.

    Args:
        ended: How it ended.
        batch: The batch that it ran.
        now: The monotonic clock.
        others_busy: Whether other slots of the worker held batches.

    Returns:
        The crash event's data.
    """
    key, ordinal = batch.item(slot.page.item)
    if (slot.is_over_limit or ended.oom_kill) and _is_between_items(slot, batch):
        key = ordinal = None
    elif slot.kind_of(batch) != HandlerKind.ITEM and b"\n" in batch.item_keys:
        # A batch handler may only have reached the item: the report names it, but it is not blamed.
        ordinal = None
    stderr, native, python = _split_tracebacks(slot.stderr.tail)
    evidence = Evidence(
        killed_for=_CAUSES.get(slot.killed_for or ""),
        oom_kills=1 if ended.oom_kill else 0,
        item_key=None if key is None else storable(key, _STDERR_BOUND),
        ordinal=ordinal,
        run_s=_seconds_on_page(now - slot.page.begun_at),
        peak_rss_bytes=ended.peak_rss_bytes or None,
        cpu_s=round(ended.cpu_s, 3),
        stderr=stderr or None,
        native_traceback=native,
        python_traceback=python,
    )
    if ended.wait_status is None:
        # The fork server was killed, and every slot with it, as if the whole worker had died: what was in hand is a
        # suspect. 0 stands for the whole batch.
        if slot.kind_of(batch) != HandlerKind.ITEM:
            ordinal = 0
        elif _is_between_items(slot, batch):
            ordinal = None
        data = CrashReport(
            cause=CrashCause.WORKER_LOST, item_key=evidence.item_key, ordinal=ordinal, run_s=evidence.run_s
        ).data()
        return _with_origin({**data, "why": _FORK_SERVER_KILLED}, slot.pid)
    data = CrashReport.from_wait_status(ended.wait_status, evidence).data()
    if data.get("exit_code") == CHANNEL_CLOSED and os.WIFEXITED(ended.wait_status):
        data["cause"] = CrashCause.PIPE_CLOSED.value
    blame = _blame_in_slot(slot, batch, data["cause"], others_busy=others_busy)
    return _with_origin({**data, **blame}, slot.pid, ended.oom_kill)


def command_crash_report(
    slot: SlotProcess, batch: ClaimedBatch, frame: CommandKilled | BatchErrored, *, others_busy: bool = False
) -> dict[str, Any]:
    """Report how a command died while it ran a batch, or that it ended because its batch exceeded a limit.

    Args:
        slot: The slot that ran it, which lives.
        frame: The slot's report.
        others_busy: Whether other slots of the worker held batches.

    Returns:
        The crash event's data.
    """
    key, ordinal = batch.item(None)
    limit = _CAUSES.get(slot.killed_for or "")
    run_s = round(frame.run_s, 6)
    key = None if key is None else storable(key, _STDERR_BOUND)
    if not isinstance(frame, CommandKilled):
        # The command handled SIGTERM and failed: the cause is the limit for which it was sent.
        stderr = storable(frame.message, _STDERR_BOUND, keep_end=True)
        report = CrashReport(
            cause=limit or CrashCause.UNKNOWN, item_key=key, ordinal=ordinal, run_s=run_s, stderr=stderr
        )
        return _with_origin({**report.data(), **_blame_alone(batch)}, slot.pid)
    number = abs(frame.signal)
    oom_kill = slot.take_oom_kill() if number == signal.SIGKILL and limit is None else ""
    evidence = Evidence(
        killed_for=limit,
        oom_kills=1 if oom_kill else 0,
        item_key=key,
        ordinal=ordinal,
        run_s=run_s,
        peak_rss_bytes=frame.peak_rss_bytes or None,
        cpu_s=frame.cpu_s,
        stderr=storable(frame.stderr, _STDERR_BOUND, keep_end=True) or None,
    )
    data = CrashReport.from_exit(-number, evidence).data()
    is_none = data["cause"] == CrashCause.OUT_OF_MEMORY and _may_be_others(slot, others_busy=others_busy)
    blame = _NO_BLAME if is_none else _blame_alone(batch)
    return _with_origin({**data, **blame}, frame.pid or slot.pid, oom_kill)


def _blame_in_slot(slot: SlotProcess, batch: ClaimedBatch, cause: str, *, others_busy: bool) -> dict[str, Any]:
    """Decide whether a crash counts: what a limit or the kernel ended may be the work of items that ran before."""
    kind = slot.kind_of(batch)
    if kind == HandlerKind.COMMAND:
        # Each run of a program is a new process, whatever the slot has run before.
        is_fresh = True
    else:
        # A batch is one to a batch handler; to a handler of items, the first item is the only one in a fresh slot.
        is_fresh = slot.page.seq <= 1 and (kind != HandlerKind.ITEM or not slot.page.item)
    is_between = cause in _OF_THE_SLOT and _is_between_items(slot, batch)
    if (
        is_between
        or slot.page.is_waiting
        or (cause == CrashCause.MEMORY_LIMIT and not is_fresh)
        or (cause == CrashCause.OUT_OF_MEMORY and (not is_fresh or _may_be_others(slot, others_busy=others_busy)))
        or (cause == CrashCause.TIMEOUT and kind == HandlerKind.ITEM and slot.spares_item)
    ):
        return _NO_BLAME
    return _blame_alone(batch) if is_fresh else _NOT_ISOLATED


def _may_be_others(slot: SlotProcess, *, others_busy: bool) -> bool:
    """Return whether the memory that ran out may have been that of other slots."""
    return others_busy and not slot.has_reached_group_limit


def _blame_alone(batch: ClaimedBatch) -> dict[str, Any]:
    return {} if batch.item_count == 1 else _NOT_ISOLATED


def _is_between_items(slot: SlotProcess, batch: ClaimedBatch) -> bool:
    """Return whether no item was in hand: the current one has returned, or none has begun."""
    if slot.kind_of(batch) != HandlerKind.ITEM:
        return False
    index = slot.page.item
    return index is None or index in slot.page.results() or index in slot.item_results


def _with_origin(data: dict[str, Any], pid: int, oom_kill: str = "") -> dict[str, Any]:
    if data["cause"] == CrashCause.OUT_OF_MEMORY:
        data["why"] = f"the kernel killed it for lack of memory: {oom_kill}"
    if data["cause"] == CrashCause.SIGNAL and data.get("signal") == "SIGKILL":
        data["why"] = _UNKNOWN_KILL
    return {**data, "host": _HOST, "pid": pid}


def _seconds_on_page(seconds: float) -> float:
    """Return a run time, 0 if user code has overwritten what it is computed from."""
    return round(seconds, 6) if is_duration(seconds) else 0.0


def _split_tracebacks(stderr: str) -> tuple[str, str | None, str | None]:
    """Separate what the handler wrote from faulthandler's native and Python tracebacks."""
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
