"""Puts into words how a slot ended, why it cannot start, or that it is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from evtrack.domain import log_names
from evtrack.domain.crash import CrashReport, Evidence
from evtrack.domain.errors import EvtrackError, HandlerImportError

if TYPE_CHECKING:
    from evtrack.runtime.slot.protocol import SlotBloated, SlotUnready
    from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess

_log = structlog.get_logger()


def how_it_ended(ended: SlotExit) -> str:
    """Return what ended a slot: a signal, an exit code, or the fork server."""
    if ended.wait_status is None:
        return "the fork server"
    report = CrashReport.from_wait_status(ended.wait_status, Evidence())
    return report.signal or f"exit code {report.exit_code}"


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
