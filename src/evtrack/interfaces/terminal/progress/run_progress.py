"""Shows how far a run is: a bar on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Self

import structlog
from rich.console import Console

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.interfaces.terminal.drawing import drawable
from evtrack.interfaces.terminal.progress.interval import EVERY_S
from evtrack.interfaces.terminal.progress.job_bar import LiveBar
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.reports.job_reports import job_progress

if TYPE_CHECKING:
    from evtrack.runtime.submit.progress import SubmitProgress
    from evtrack.storage.reports.job_reports import JobProgress

_LOOK_S: Final = 0.25
_AGAIN_S: Final = 1.0
_JOIN_S: Final = 5.0

_log = structlog.get_logger()


class RunProgress:
    """Watches a job from a thread and a connection of its own.

    Args:
        dsn: The connection string.
    """

    def __init__(self, *, dsn: str) -> None:
        self._dsn = dsn
        self._bar = LiveBar(console=Console(stderr=True)) if drawable() else None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Show the last state, and end."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        if self._bar is not None:
            self._bar.__exit__()

    def watch(self, job_id: int) -> None:
        """Start to watch a job.

        Args:
            job_id: The job.
        """
        self._thread = threading.Thread(target=self._watch, args=(job_id,), name="evtrack-progress", daemon=True)
        self._thread.start()

    def submitted(self, now: SubmitProgress) -> None:
        """Take what the submitter says; the database tells the same, but not that it waits.

        Args:
            now: How far it is.
        """
        if now.waited_s:
            _log.info(
                log_names.SUBMISSION_THROTTLED, job_id=now.job_id, waited_s=round(now.waited_s, 1), pending=now.pending
            )

    def _watch(self, job_id: int) -> None:
        told = False
        while True:
            try:
                self._follow(job_id)
            except EvtrackError as error:
                # The run goes on without its bar, and the bar when the database is back.
                if not told:
                    _log.warning(log_names.PROGRESS_CONNECTION_LOST, job_id=job_id, error=str(error))
                told = True
            if self._over.wait(_AGAIN_S):
                return

    def _follow(self, job_id: int) -> None:
        every_s = _LOOK_S if self._bar is not None else EVERY_S
        with translated(), connect(self._dsn, purpose="progress") as conn:
            while not self._over.wait(every_s):
                self._show(job_progress(conn, job_id))
            if self._bar is not None:
                self._show(job_progress(conn, job_id))

    def _show(self, now: JobProgress) -> None:
        if self._bar is not None:
            self._bar.update(now)
            return
        _log.info(
            log_names.JOB_PROGRESS,
            job_id=now.job_id,
            phase=now.phase,
            ended=now.ended,
            total=now.total,
            failed=now.failed,
            crashed=now.crashed,
            invalid=now.invalid,
            pace=now.pace,
        )
