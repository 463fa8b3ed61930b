"""The timeline of a job as a page shows it: few moments, and the one that is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from evtrack.storage.reports.history import TimelinePoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.storage.reports.job_reports import JobProgress

MOMENTS: Final = 100
"""The most moments of a chart: its table has a row for each."""

LAYERS: Final = ("done", "failed", "crashed", "cancelled", "running", "pending")
"""The statuses of a chart, from the bottom."""

_HALF_SPAN: Final = timedelta(seconds=5)
"""A moment is the middle of a span of ten seconds, whose end its numbers are of."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """How a job's items were divided over time.

    Args:
        moments: At most 100, the earliest first; the span that is under way is left out.
        position: The moment that is shown: its place among these.
        present: The present moment of a job that has not ended.
    """

    moments: list[TimelinePoint]
    position: int
    present: TimelinePoint | None

    @property
    def shown(self) -> TimelinePoint | None:
        """The moment that is shown."""
        return self.moments[self.position] if self.moments else None

    @property
    def drawn(self) -> list[TimelinePoint]:
        """The moments of the chart."""
        return self.moments if self.present is None else [*self.moments, self.present]

    @property
    def most(self) -> int:
        """The highest sum of the chart."""
        return max((sum(_numbers(each)) for each in self.drawn), default=0)

    @property
    def layers(self) -> list[str]:
        """The statuses that occur, in the order of the chart from the top."""
        return [name for name in LAYERS[::-1] if any(getattr(each, name) for each in self.drawn)]

    def near(self, step: int) -> TimelinePoint | None:
        """Return a moment by its distance from the one shown; None beyond the first and the last.

        Args:
            step: -1 for the one before, 1 for the one after.
        """
        place = self.position + step
        return self.moments[place] if 0 <= place < len(self.moments) else None


def timeline(points: Sequence[TimelinePoint], job: JobProgress, at: datetime | None) -> Timeline:
    """Choose the moments of a page.

    Args:
        points: All that are known, the earliest first.
        job: Its present state.
        at: The time that is asked for; None for the latest moment.

    Returns:
        The moments; the one shown is the last that is not after that time.
    """
    now = job.created_at + timedelta(seconds=job.elapsed_s)
    past = [each for each in points if job.ended_at is not None or each.at + _HALF_SPAN <= now]
    moments = thinned(past, MOMENTS)
    position = len(moments) - 1
    if at is not None and moments:
        position = max((place for place, each in enumerate(moments) if each.at <= at), default=0)
    present = None
    if job.ended_at is None:
        present = TimelinePoint(now, job.pending, job.running, job.done, job.failed, job.crashed, job.cancelled)
    return Timeline(moments, max(position, 0), present)


def thinned(points: Sequence[TimelinePoint], most: int) -> list[TimelinePoint]:
    """Keep at most so many moments: every second, third, or so on, and always the last one.

    Args:
        points: The moments.
        most: At least 2.
    """
    if len(points) <= most:
        return list(points)
    step = -(-(len(points) - 1) // (most - 1))
    # Counted from the end, so that the last one is among them.
    return list(reversed(points[::-1][::step]))


def since_creation(points: Sequence[TimelinePoint], created_at: datetime) -> list[TimelinePoint]:
    """Let no moment be before the job was there: the span of ten seconds in which it was created had begun by then."""
    return [replace(each, at=max(each.at, created_at)) for each in points]


def begun_at(points: Sequence[TimelinePoint]) -> datetime | None:
    """Return the first moment at which anything ran or had ended; None if nothing has begun."""
    return next((each.at for each in points if each.running + each.done + each.failed + each.crashed), None)


def _numbers(point: TimelinePoint) -> tuple[int, ...]:
    return (point.pending, point.running, point.done, point.failed, point.crashed, point.cancelled)
