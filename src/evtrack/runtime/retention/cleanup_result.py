"""What a cleanup did: the days that went, and those that stayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

    from evtrack.storage.retention.cleanup import Day


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedDay:
    """A day that went.

    Args:
        day: The day.
        jobs: How many jobs it had.
        batches: How many batches they had.
        events: How many events.
        bytes: Its size on disk.
        archive: The folder that holds its log, or None.
    """

    day: date
    jobs: int
    batches: int
    events: int
    bytes: int
    archive: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDay:
    """A day that stayed.

    Args:
        day: The day.
        why: A job pins it; it changed while it was read; its log and projection differ; its tables were in use.
        reason: The same in words.
        job_id: The job that it stayed for, if it was one.
    """

    day: date
    why: Literal["pinned", "changed", "differs", "busy"]
    reason: str
    job_id: int | None = None

    @property
    def is_fault(self) -> bool:
        """Whether somebody should see to it; a job that is not over yet is no fault."""
        return self.why in {"differs", "busy"}


def pinned(day: Day) -> KeptDay:
    """Say why a day stays.

    Args:
        day: A day with pins.

    Returns:
        The first of its jobs that must stay, and how many there are.
    """
    others = f", and {day.pins - 1:,} more of its jobs must stay" if day.pins > 1 else ""
    is_so = {"running": "has running batches", "ended lately": "ended lately"}.get(str(day.pin), f"is {day.pin}")
    return KeptDay(day=day.job_day, why="pinned", job_id=day.pinned_by, reason=f"job {day.pinned_by} {is_so}{others}")
