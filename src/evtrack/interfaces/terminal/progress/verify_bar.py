"""Shows how far a proof is: a line on a terminal that stays in place, a log line now and then elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from evtrack.domain import log_names
from evtrack.interfaces.terminal.drawing import drawable
from evtrack.interfaces.terminal.progress.interval import Seldom
from evtrack.interfaces.terminal.text import count, counted


class VerifyProgress:
    """Counts what was checked, and shows it.

    Args:
        bar: Where it is shown; None for log lines.
    """

    def __init__(self, bar: Progress | None) -> None:
        self.jobs = 0
        self._ended = 0
        self._now = 0
        self._job_id: int | None = None
        self._bar = bar
        self._task = None if bar is None else bar.add_task("verifying", total=None, facts="")
        self._line = Seldom()

    @property
    def events(self) -> int:
        """How many events were checked."""
        return self._ended + self._now

    def tell(self, job_id: int, events: int) -> None:
        """Take how far it is.

        Args:
            job_id: The job that is checked.
            events: How many of its events are.
        """
        if job_id != self._job_id:
            self._ended, self._job_id = self.events, job_id
            self.jobs += 1
        self._now = events
        if self._bar is not None and self._task is not None:
            facts = f"{counted(self.jobs, 'job')}, {count(self.events)} events"
            self._bar.update(self._task, description=f"verifying job {job_id}", facts=facts)
        elif self._line.is_due():
            structlog.get_logger().info(log_names.VERIFY_PROGRESS, job_id=job_id, jobs=self.jobs, events=self.events)

    def say(self, line: str) -> None:
        """Print a line on stdout, above what is shown.

        Args:
            line: The line.
        """
        if self._bar is None:
            click.echo(line)
        else:
            self._bar.stop()
            click.echo(line)
            self._bar.start()


@contextmanager
def verify_progress() -> Iterator[VerifyProgress]:
    """Show a proof's progress on stderr.

    Yields:
        What to tell it.
    """
    if not drawable():
        yield VerifyProgress(None)
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[facts]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        yield VerifyProgress(bar)
