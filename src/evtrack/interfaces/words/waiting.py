"""Explain in a sentence why the pending batches of a job wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evtrack.domain.text import printable
from evtrack.interfaces.words.formatting import counted, duration, moment

if TYPE_CHECKING:
    from evtrack.storage.reports.job_reports import Waiting


def waiting_sentence(waiting: Waiting, handler: str) -> str:
    """Explain why pending batches wait.

    Args:
        waiting: How long they have been waiting, and why.
        handler: The handler of their job.

    Returns:
        A printable sentence without a full stop.
    """
    batches = counted(waiting.batches, "batch", "batches")
    waits = f"{batches} {'waits' if waiting.batches == 1 else 'wait'}"
    since = "" if waiting.waited_s is None else f", the oldest for {duration(max(0.0, waiting.waited_s))}"
    workers = counted(waiting.workers, "live worker")
    free = counted(waiting.free_slots, "slot")
    named = printable(handler, 60)
    match waiting.why:
        case "suspended":
            return f"{waits} because the job is suspended{since}"
        case "backoff":
            first = "" if waiting.since is None else f", the first one not before {moment(waiting.since)}"
            return f"{waits} for a retry{first}"
        case "no worker":
            return f"{waits} because no live worker offers {named}{since}"
        case "never started":
            are = "is" if waiting.free_slots == 1 else "are"
            return f"{waits} although {free} of {workers} {are} free{since}"
        case _:
            return f"{waits} for a free slot{since}; {workers} {'offers' if waiting.workers == 1 else 'offer'} {named}"
