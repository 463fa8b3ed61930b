"""Show how far a long command is: in place on a terminal, as a log line every few seconds elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import click
import structlog
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

from evtrack.domain.states import FINAL_PHASES, JobPhase
from evtrack.interfaces.log_writer import NOTICE_WAIT_S, WRITER
from evtrack.interfaces.words.formatting import count, counted, duration, pace_of, percentage

if TYPE_CHECKING:
    from rich.console import Console

    from evtrack.runtime.retention.cleanup import Step
    from evtrack.runtime.submit.progress import SubmitProgress
    from evtrack.storage.reports.job_reports import JobProgress
    from evtrack.storage.retention.cleanup import Day

LOG_EVERY_S: Final = 5.0
"""How often a long command logs its progress; one that ends sooner logs none."""

_CLEANUP_STEPS: Final[dict[Step, str]] = {
    "jobs": "jobs read",
    "events": "events read",
    "payloads": "items read",
    "results": "results read",
    "read back": "archive lines verified",
}


@dataclass(frozen=True, slots=True)
class ProgressState:
    """How far a command is.

    Args:
        title: What it is doing; drawn before the bar.
        figures: What it has done; drawn after the bar.
        fields: The same as fields of a log line.
        completed: How far the bar is filled.
        total: The value of a full bar; None while it is unknown.
    """

    title: str
    figures: str
    fields: dict[str, Any]
    completed: float = 0
    total: float | None = None


class ProgressDisplay:
    """Draw the state of a command on a terminal, or log it.

    Args:
        title: What to show before the first state is known.
        console: The terminal to draw on; None to log instead.
        log_name: The name of the log lines.
        log_every_s: The least time between two log lines, and before the first.
        keeps_last: Whether the last state stays on the screen.
        shows_elapsed: Whether to draw the time since the start.
    """

    def __init__(
        self,
        title: str,
        *,
        console: Console | None,
        log_name: str = "",
        log_every_s: float = LOG_EVERY_S,
        keeps_last: bool = False,
        shows_elapsed: bool = False,
    ) -> None:
        self._bar = None if console is None else _bar(console, keeps_last=keeps_last, shows_elapsed=shows_elapsed)
        self._task = None if self._bar is None else self._bar.add_task(title, total=None, figures="")
        self._log_name, self._log_every_s = log_name, log_every_s
        self._next_log_at = time.monotonic() + log_every_s

    def __enter__(self) -> Self:
        """Start drawing."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing, and restore the terminal."""
        self._stop()

    @property
    def is_live(self) -> bool:
        """Whether states are drawn, not logged."""
        return self._bar is not None

    def update(self, state: ProgressState) -> None:
        """Draw a state; log it if a line is due.

        Args:
            state: How far the command is now.
        """
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                description=state.title,
                figures=state.figures,
                completed=state.completed,
                total=state.total,
            )
        elif (now := time.monotonic()) >= self._next_log_at:
            self._next_log_at = now + self._log_every_s
            structlog.get_logger().info(self._log_name, **state.fields)

    def print(self, line: str) -> None:
        """Print a line on stdout, above what is drawn."""
        if self._bar is None:
            click.echo(line)
        else:
            self._stop()
            click.echo(line)
            self._bar.start()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            # What is printed next stands below it.
            WRITER.wait(NOTICE_WAIT_S)


def _bar(console: Console, *, keeps_last: bool, shows_elapsed: bool) -> Progress:
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[figures]}", markup=False),
    ]
    if shows_elapsed:
        columns.append(TimeElapsedColumn())
    return Progress(*columns, console=console, transient=not keeps_last)


def job_state(job: JobProgress) -> ProgressState:
    """Describe how far a job is.

    Args:
        job: Its progress.
    """
    reading = job.phase in {JobPhase.OPEN, JobPhase.ABANDONED}
    activity = "suspended" if job.suspended else "reading" if reading else "working"
    if job.phase in FINAL_PHASES:
        activity = job.phase
    bad = job.failed + job.crashed + job.invalid
    figures = [
        percentage(job.percent) if job.percent is not None else "",
        f"{count(job.ended)}/{count(job.total)}",
        f"{count(bad)} not ok" if bad else "",
        pace_of(job.pace),
        f"{duration(job.remaining_s)} left" if job.remaining_s is not None else "",
    ]
    names = ("job_id", "phase", "ended", "total", "failed", "crashed", "invalid", "pace")
    return ProgressState(
        title=f"job {job.job_id} {activity}",
        figures="  ".join(figure for figure in figures if figure),
        fields={name: getattr(job, name) for name in names},
        completed=job.percent or 0,
        total=None if job.percent is None else 100,
    )


def job_line(job: JobProgress) -> str:
    """Write a job's progress on one line.

    Args:
        job: Its progress.
    """
    numbers = f"{count(job.ended)} of {counted(job.total, 'item')}"
    bad = f"{job.failed} failed, {job.crashed} crashed, {job.invalid} invalid"
    if job.cancelled:
        bad += f", {job.cancelled} cancelled"
    left = f", {duration(job.remaining_s)} left" if job.remaining_s is not None else ""
    pace = f", {pace_of(job.pace)}" if job.pace else ""
    phase = f"{job.phase}, suspended" if job.suspended else job.phase
    return f"job {job.job_id} {phase}: {percentage(job.percent)} ({numbers}; {bad}){pace}{left}"


def submission_state(submission: SubmitProgress) -> ProgressState:
    """Describe how far a submission is.

    Args:
        submission: Its progress.
    """
    s = submission
    figures = [f"{count(s.items)} items", f"{count(s.batches)} batches"]
    if s.bytes_total:
        figures.insert(0, percentage(min(100.0, 100 * s.bytes_read / s.bytes_total)))
    if s.invalid:
        figures.append(f"{count(s.invalid)} invalid")
    if s.waited_s:
        figures.append(f"waiting: {s.pending} batches pending")
    names = ("job_id", "items", "invalid", "batches", "bytes_read", "bytes_total")
    waiting = {"waited_s": round(s.waited_s, 1), "pending": s.pending} if s.waited_s else {}
    return ProgressState(
        title=f"job {s.job_id} submitting",
        figures="  ".join(figures),
        fields={name: getattr(s, name) for name in names} | waiting,
        completed=s.bytes_read,
        total=s.bytes_total or None,
    )


def cleanup_state(day: Day, step: Step, done: int) -> ProgressState:
    """Describe how far a cleanup is.

    Args:
        day: The day that it works on.
        step: What it does with the day.
        done: How many rows it has done in this step.
    """
    return ProgressState(
        title=f"cleaning up {day.job_day}",
        figures=f"{count(done)} {_CLEANUP_STEPS[step]}",
        fields={"day": str(day.job_day), "step": step, "done": done, "batches": day.batches},
    )


def verification_state(job_id: int, *, jobs: int, events: int) -> ProgressState:
    """Describe how far a verification of the log is.

    Args:
        job_id: The job that is verified.
        jobs: How many jobs were begun so far.
        events: How many events were verified so far.
    """
    return ProgressState(
        title=f"verifying job {job_id}",
        figures=f"{counted(jobs, 'job')}, {counted(events, 'event')}",
        fields={"job_id": job_id, "jobs": jobs, "events": events},
    )
