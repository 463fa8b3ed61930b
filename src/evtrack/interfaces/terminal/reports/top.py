"""Draw a live view of the whole system that fits 80 columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from evtrack.interfaces.terminal import tables
from evtrack.interfaces.terminal.drawing import cell, phase_text, section, table
from evtrack.interfaces.words.formatting import count, counted, duration, pace_of, percentage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.table import Table

    from evtrack.storage.reports.batch_reports import Crash
    from evtrack.storage.reports.job_reports import JobStatus
    from evtrack.storage.reports.system_health import Health
    from evtrack.storage.reports.worker_reports import RunningItem, WorkerRow

_BAR_COLUMNS: Final = 12


@dataclass(frozen=True, slots=True)
class SystemSnapshot:
    """The state of the whole system at a time.

    Args:
        at: The time, by the database's clock.
        health: The figures of the last hour.
        jobs: The latest active jobs.
        workers: The live workers.
        crashes: The latest crashes of the last day.
        running: What slots have had in hand for over a second.
    """

    at: datetime
    health: Health
    jobs: Sequence[JobStatus]
    workers: Sequence[WorkerRow]
    crashes: Sequence[Crash]
    running: Sequence[RunningItem]


def snapshot_view(snapshot: SystemSnapshot, *, trouble: str = "") -> RenderableType:
    """Draw a snapshot.

    Args:
        trouble: Why it is an old one; empty if it is current.

    Returns:
        A head line, jobs, workers, what runs long and crashes.
    """
    parts: list[RenderableType] = [_head(snapshot)]
    if trouble:
        parts.append(Text(trouble, style="bold red"))
    parts.append(section("Jobs", _jobs(snapshot)) if snapshot.jobs else Text("\nNo active jobs.", style="dim"))
    workers = tables.workers_table(snapshot.workers, now=snapshot.at)
    parts.append(section("Workers", workers) if snapshot.workers else Text("\nNo live workers.", style="yellow"))
    if snapshot.running:
        parts.append(section("In hand for over a second", tables.running_table(snapshot.running)))
    if snapshot.crashes:
        parts.append(section("Latest crashes", tables.crashes_table(snapshot.crashes, with_job=True)))
    return Group(*parts)


def _head(snapshot: SystemSnapshot) -> Text:
    health = snapshot.health
    line = Text(f"evtrack  {snapshot.at:%H:%M:%SZ}  ", style="bold")
    line.append(
        f"{count(health.pending)} pending, {count(health.running)} running; "
        f"{health.busy}/{counted(health.slots, 'slot')} busy, ",
        style="none",
    )
    rate = f"{percentage(health.crash_rate_pct)} crashed in 1h"
    line.append(rate, style="red" if health.crashed else "dim")
    return line


def _jobs(snapshot: SystemSnapshot) -> Table:
    names = ("JOB", "HANDLER", "STATE", "", "DONE", "ITEMS", "NOT OK", "PACE", "LEFT")
    drawn = table(*names, right="JOB DONE ITEMS NOT-OK PACE LEFT", flexible="HANDLER")
    for job in snapshot.jobs:
        bad = job.failed + job.crashed + job.invalid
        pace = pace_of(job.pace).replace(" items", "")
        left = "" if job.eta is None else duration(max(0.0, round((job.eta - snapshot.at).total_seconds())))
        drawn.add_row(
            str(job.job_id),
            cell(job.handler),
            phase_text(job.phase, suspended=job.suspended),
            ProgressBar(total=100, completed=job.percent or 0, width=_BAR_COLUMNS),
            percentage(job.percent),
            count(job.total),
            Text(count(bad), style="red" if bad else "dim"),
            pace,
            left,
        )
    return drawn
