"""The results of a cleanup: dropped days and kept days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

    from evtrack.storage.retention.cleanup import Day


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedDay:
    """A day that was dropped.

    Args:
        jobs: How many jobs it had.
        batches: How many batches they had.
        events: How many events.
        bytes: Its size on disk.
        archive: The directory with its archive, or None.
    """

    day: date
    jobs: int
    batches: int
    events: int
    bytes: int
    archive: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDay:
    """A day that was kept.

    Args:
        why: A job pins it; it changed while it was read; its log and projection differ; or its tables were in use.
        reason: The same as text.
        job_id: The job that it was kept for, if any.
    """

    day: date
    why: Literal["pinned", "changed", "differs", "busy"]
    reason: str
    job_id: int | None = None

    @property
    def needs_action(self) -> bool:
        """Whether an operator must act; a day that is pinned or has changed is a matter of time."""
        return self.why in {"differs", "busy"}


def pinned_day(day: Day) -> KeptDay:
    """Describe a day that is kept because of its jobs.

    Args:
        day: A day with pins.

    Returns:
        The day, with the first job that pins it and how many others do.
    """
    others = f", and {day.pins - 1:,} more of its jobs must be kept" if day.pins > 1 else ""
    is_so = {"running": "has running batches", "ended lately": "ended lately"}.get(str(day.pin), f"is {day.pin}")
    return KeptDay(day=day.job_day, why="pinned", job_id=day.pinned_by, reason=f"job {day.pinned_by} {is_so}{others}")
