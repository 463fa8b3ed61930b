"""Follows a job's progress: a live bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Iterator
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from evtrack.domain.states import FINAL_PHASES, JobPhase
from evtrack.interfaces.terminal.text import count, duration, pace_of, percentage
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.job_reports import JobProgress, job_progress

POLL_S = 0.5


def changes(conn: Connection, job_id: int, *, poll_s: float = POLL_S, apart_s: float = 0.0) -> Iterator[JobProgress]:
    """Watch a job to its end.

    Args:
        conn: An open connection.
        job_id: The job.
        poll_s: How long to wait between two looks.
        apart_s: How far apart to yield; what changes in between comes when that has passed, and the end at once.

    Yields:
        Its progress now, and then each time that it has changed; the last one is that of the end.

    Raises:
        NoSuchJob: If there is none.
    """
    before: JobProgress | None = None
    told_at = float("-inf")
    while True:
        now = job_progress(conn, job_id)
        ended = over(now)
        due = time.monotonic() - told_at >= apart_s
        if before is None or ended or (due and _figures(before) != _figures(now)):
            yield now
            before, told_at = now, time.monotonic()
        if ended:
            return
        time.sleep(poll_s)


def over(progress: JobProgress) -> bool:
    """Tell whether nothing more will happen to a job by itself."""
    return progress.phase in FINAL_PHASES and not progress.running


class LiveBar:
    """Draw a job's progress in place.

    Args:
        console: Where to draw; a terminal.
    """

    def __init__(self, *, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[facts]}", markup=False),
            console=console,
        )
        self._task = self._bar.add_task("", total=None, facts="")

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        self._bar.stop()

    def update(self, progress: JobProgress) -> None:
        """Draw the progress as it is now.

        Args:
            progress: The job's row.
        """
        reading = progress.phase in {JobPhase.OPEN, JobPhase.ABANDONED}
        word = "suspended" if progress.suspended else "reading" if reading else "working"
        if progress.phase in FINAL_PHASES:
            word = progress.phase
        bad = progress.failed + progress.crashed + progress.invalid
        facts = [
            percentage(progress.percent) if progress.percent is not None else "",
            f"{count(progress.ended)}/{count(progress.total)}",
            f"{count(bad)} not ok" if bad else "",
            pace_of(progress.pace),
            f"{duration(progress.remaining_s)} left" if progress.remaining_s is not None else "",
        ]
        self._bar.update(
            self._task,
            description=f"job {progress.job_id} {word}",
            total=None if progress.percent is None else 100,
            completed=progress.percent or 0,
            facts="  ".join(fact for fact in facts if fact),
        )


def _figures(progress: JobProgress) -> tuple[object, ...]:
    # Pace and elapsed time move by themselves; they are no news.
    p = progress
    return (p.phase, p.suspended, p.total, p.ended, p.pending, p.running, p.failed, p.crashed, p.batches, p.bytes_read)
