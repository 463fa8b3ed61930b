"""Shows how far a submission is: a bar on a terminal, a log line now and then elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from evtrack.domain import log_names
from evtrack.interfaces.terminal.drawing import drawable
from evtrack.interfaces.terminal.progress.interval import Seldom
from evtrack.interfaces.terminal.text import count, percentage
from evtrack.runtime.submit.progress import SubmitProgress


@contextmanager
def submit_progress() -> Iterator[Callable[[SubmitProgress], None]]:
    """Show a submission's progress on stderr.

    Yields:
        What to tell it.
    """
    if drawable():
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[facts]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        task = bar.add_task("submitting", total=None, facts="")
        with bar:
            yield lambda now: bar.update(
                task,
                description=f"job {now.job_id} submitting",
                total=now.bytes_total or None,
                completed=now.bytes_read,
                facts=facts(now),
            )
    else:
        yield _Lines().tell


class _Lines:
    """Write a line every few seconds; a submission that ends sooner needs none."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._line = Seldom()

    def tell(self, now: SubmitProgress) -> None:
        if not self._line.is_due():
            return
        waiting = {"waited_s": round(now.waited_s, 1), "pending": now.pending} if now.waited_s else {}
        self._log.info(
            log_names.SUBMIT_PROGRESS,
            job_id=now.job_id,
            items=now.items,
            invalid=now.invalid,
            batches=now.batches,
            bytes_read=now.bytes_read,
            bytes_total=now.bytes_total,
            **waiting,
        )


def facts(now: SubmitProgress) -> str:
    """Put a submission's figures into words.

    Args:
        now: How far it is.
    """
    words = [f"{count(now.items)} items", f"{count(now.batches)} batches"]
    if now.bytes_total:
        words.insert(0, percentage(min(100.0, 100 * now.bytes_read / now.bytes_total)))
    if now.invalid:
        words.append(f"{count(now.invalid)} invalid")
    if now.waited_s:
        words.append(f"waits for room, {now.pending} batches pending")
    return "  ".join(words)
