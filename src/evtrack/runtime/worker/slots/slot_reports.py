"""Puts into words how a slot ended, why it cannot start, or that it is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.crash import CrashCause, CrashReport, Evidence
from evtrack.domain.errors import EvtrackError, HandlerImportError
from evtrack.domain.text import storable

if TYPE_CHECKING:
    from evtrack.runtime.slot.protocol import SlotBloated, SlotUnready
    from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess

_STDERR_BOUND: Final = 2_000

_log = structlog.get_logger()


def early_death(slot: SlotProcess, ended: SlotExit) -> tuple[str, str] | None:
    """Return what ended a slot before it did anything, and its last output.

    Args:
        ended: How it ended.

    Returns:
        Both as text; None if a batch or the worker ended it.
    """
    if slot.is_retired or slot.killed_for not in {None, CrashCause.PIPE_CLOSED, CrashCause.PROTOCOL}:
        return None
    if slot.kinds is not None and (slot.finished or 0 <= slot.page.seq - slot.first < len(slot.held)):
        return None
    return _how_it_ended(ended), storable(slot.stderr.tail.strip(), _STDERR_BOUND, keep_end=True)


def unready_error(frame: SlotUnready) -> EvtrackError:
    """Return the error of a slot that cannot offer its handlers."""
    if frame.module:
        return HandlerImportError(frame.module, traceback=frame.text)
    return EvtrackError(frame.text, hint=frame.hint)


def log_recycled(slot: SlotProcess, frame: SlotBloated) -> None:
    """Log that a slot exits because it holds too much memory."""
    _log.info(
        log_names.SLOT_RECYCLED,
        slot_pid=slot.pid,
        rss_bytes=frame.rss_bytes,
        recycle_rss_bytes=frame.recycle_rss_bytes,
        batches=slot.finished,
    )


def _how_it_ended(ended: SlotExit) -> str:
    if ended.wait_status is None:
        return "the fork server"
    report = CrashReport.from_wait_status(ended.wait_status, Evidence())
    return report.signal or f"exit code {report.exit_code}"
