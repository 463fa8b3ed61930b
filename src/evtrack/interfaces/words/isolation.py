"""Explain in plain words how carefully a batch runs, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.states import BatchStatus
from evtrack.domain.text import printable

if TYPE_CHECKING:
    from evtrack.storage.reports.batch_reports import BatchHistory, BatchRow

_HOW: Final = {
    "fresh_slot": "in a slot that has run nothing before",
    "memory": "in a new slot, with its worker to itself",
    "marked": "alone in its slot, and what each item does is recorded as it happens",
    "exclusive": "alone in its worker",
}
_WHY: Final = {
    "fresh_slot": "its process died",
    "memory": "its process was killed for its memory",
}


def isolation_line(report: BatchHistory) -> str:
    """Explain how the current or next attempt of a batch runs, and why.

    Returns:
        A sentence; empty if the batch runs like any other, or has ended.
    """
    batch = report.batch
    how = _HOW.get(batch.isolation)
    if how is None or batch.status not in {BatchStatus.PENDING, BatchStatus.RUNNING}:
        return ""
    worker = "its worker" if report.lost_worker_id is None else f"worker {report.lost_worker_id}"
    why = _WHY.get(batch.isolation) or (
        f"was in hand when {worker} died" if batch.isolation == "exclusive" else f"was held by {worker} when it died"
    )
    when = "now" if batch.status == BatchStatus.RUNNING else "next"
    return f"{why}; runs {how} {when}{_deaths(batch)}"


def _deaths(batch: BatchRow) -> str:
    if not batch.exclusive_losses:
        return ""
    times = "once" if batch.exclusive_losses == 1 else f"{batch.exclusive_losses} times"
    return f"; its worker died {times} while it ran nothing else"


def isolation_phrase(data: dict[str, Any]) -> str:
    """Describe the level of isolation that an event sets.

    Args:
        data: The event's data.

    Returns:
        Words that follow what happened; empty if it sets none.
    """
    level = data.get("isolation")
    if not isinstance(level, str) or level == "none":
        return ""
    return f", to run {_HOW.get(level) or printable(level, 40)}"
