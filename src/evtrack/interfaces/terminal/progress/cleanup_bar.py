"""Shows how far a cleanup is: in place on a terminal, a log line now and then elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console

from evtrack.domain import log_names
from evtrack.interfaces.terminal.drawing import drawable
from evtrack.interfaces.terminal.progress.interval import Seldom
from evtrack.interfaces.terminal.text import count
from evtrack.runtime.retention.cleanup import Step
from evtrack.storage.retention.cleanup import Day

_SAID: dict[Step, str] = {
    "jobs": "jobs read",
    "events": "events read",
    "payloads": "items read",
    "results": "results read",
    "read back": "lines of its archive read back",
}


@contextmanager
def cleanup_progress() -> Iterator[Callable[[Day, Step, int], None]]:
    """Show a cleanup's progress on stderr.

    Yields:
        What to tell it: the day, what is being done with it, and with how much of it so far.
    """
    if drawable():
        with Console(stderr=True).status("looking for days that are over") as status:
            yield lambda day, step, done: status.update(f"{day.job_day}: {count(done)} {_SAID[step]}")
    else:
        yield _Lines().tell


class _Lines:
    """Write a line every few seconds; a cleanup that ends sooner needs none."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._line = Seldom()

    def tell(self, day: Day, step: Step, done: int) -> None:
        if not self._line.is_due():
            return
        self._log.info(log_names.CLEANUP_PROGRESS, day=str(day.job_day), step=step, done=done, batches=day.batches)
