"""Draws the numbers of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evtrack.interfaces.web.charts.bar import share_bar
from evtrack.interfaces.web.charts.timeline import stacked_areas
from evtrack.interfaces.web.job_timeline import LAYERS

if TYPE_CHECKING:
    from markupsafe import Markup

    from evtrack.interfaces.web.job_timeline import Timeline
    from evtrack.storage.reports.job_reports import JobStatus

_SHARES: Final = ("done", "failed", "crashed", "cancelled", "invalid", "running")


def job_bar(job: JobStatus, *, big: bool = False) -> Markup:
    """Draw how a job's items are divided by status; what is pending stays empty.

    Args:
        job: The job.
        big: Whether it is the main thing of its page.
    """
    return share_bar([(name, getattr(job, name)) for name in _SHARES], job.total, big=big)


def job_timeline(timeline: Timeline, *, has_cursor: bool) -> Markup:
    """Draw how a job's items were divided over time.

    Args:
        timeline: The moments.
        has_cursor: Whether to mark the moment that is shown.
    """
    drawn, shown = timeline.drawn, timeline.shown
    return stacked_areas(
        [each.at.timestamp() for each in drawn],
        [(name, [getattr(each, name) for each in drawn]) for name in LAYERS],
        cursor=shown.at.timestamp() if has_cursor and shown is not None else None,
    )
