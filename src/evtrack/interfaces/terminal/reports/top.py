"""Draws what goes on: jobs with pace and end, workers, latest crashes; fits 80 columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from evtrack.interfaces.terminal import tables
from evtrack.interfaces.terminal.drawing import cell, state, table
from evtrack.interfaces.terminal.reports.job_report import section
from evtrack.interfaces.terminal.text import count, counted, duration, pace_of, percentage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.table import Table

    from evtrack.storage.reports.batch_reports import Crash
    from evtrack.storage.reports.job_reports import JobStatus
    from evtrack.storage.reports.system_health import Health
    from evtrack.storage.reports.worker_reports import WorkerRow

_BAR_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """What was read for one frame.

    Args:
        at: When, by the database's clock.
        health: The figures of the last hour.
        jobs: Those under way, latest first.
        workers: Those that are alive.
        crashes: The latest of the last day.
    """

    at: datetime
    health: Health
    jobs: Sequence[JobStatus]
    workers: Sequence[WorkerRow]
    crashes: Sequence[Crash]


def frame(picture: Picture, *, trouble: str = "") -> RenderableType:
    """Draw one frame.

    Args:
        picture: What was read.
        trouble: Why it is an old one; empty when it is not.

    Returns:
        Head, jobs, workers and crashes.
    """
    parts: list[RenderableType] = [_head(picture)]
    if trouble:
        parts.append(Text(trouble, style="bold red"))
    parts.append(section("Jobs", _jobs(picture)) if picture.jobs else Text("\nNo job under way.", style="dim"))
    workers = tables.workers_table(picture.workers, now=picture.at)
    parts.append(section("Workers", workers) if picture.workers else Text("\nNo live worker.", style="yellow"))
    if picture.crashes:
        parts.append(section("Latest crashes", tables.crashes_table(picture.crashes, with_job=True)))
    return Group(*parts)


def _head(picture: Picture) -> Text:
    health = picture.health
    line = Text(f"evtrack  {picture.at:%H:%M:%SZ}  ", style="bold")
    line.append(
        f"{count(health.pending)} pending, {count(health.running)} running; "
        f"{health.busy}/{counted(health.slots, 'slot')} busy, ",
        style="none",
    )
    rate = f"{percentage(health.crash_rate_pct)} crashes in 1h"
    line.append(rate, style="red" if health.crashed else "dim")
    return line


def _jobs(picture: Picture) -> Table:
    names = ("JOB", "HANDLER", "STATE", "", "DONE", "ITEMS", "NOT OK", "PACE", "LEFT")
    drawn = table(*names, right="JOB DONE ITEMS NOT-OK PACE LEFT", flexible="HANDLER")
    for job in picture.jobs:
        bad = job.failed + job.crashed + job.invalid
        pace = pace_of(job.pace).replace(" items", "")
        left = "" if job.eta is None else duration(max(0.0, round((job.eta - picture.at).total_seconds())))
        drawn.add_row(
            str(job.job_id),
            cell(job.handler),
            state(job.phase, suspended=job.suspended),
            ProgressBar(total=100, completed=job.percent or 0, width=_BAR_COLUMNS),
            percentage(job.percent),
            count(job.total),
            Text(count(bad), style="red" if bad else "dim"),
            pace,
            left,
        )
    return drawn
