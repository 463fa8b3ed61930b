"""`evtrack progress`: a job's progress, once or until its end."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Final

import click

from evtrack.domain.states import FINAL_PHASES
from evtrack.interfaces.cli.shared.options import job_argument, print_json, with_dsn
from evtrack.interfaces.cli.shared.outage_log import OutageLog
from evtrack.interfaces.terminal.drawing import stdout_console
from evtrack.interfaces.terminal.progress import ProgressDisplay, job_line, job_state
from evtrack.storage.connection.patience import Patience, PatientReader
from evtrack.storage.reports.job_reports import JobProgress, job_progress

_POLL_S: Final = 0.5
_LINE_EVERY_S: Final = 2.0


@click.command()
@job_argument
@click.option("--follow", is_flag=True, help="Continue until the job has ended.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document; with --follow, one line for each change."
)
@with_dsn()
def progress(dsn: str, job_id: int, *, follow: bool, as_json: bool) -> None:
    """Show a job's progress.

    With --follow, draw a live bar on a terminal, and print lines elsewhere. A database that is away is waited for, for
    five minutes.
    """
    patience = Patience(observer=OutageLog("progress"), waits_at_start=follow)
    with PatientReader(dsn, purpose="progress", patience=patience) as reader:
        _show(lambda: reader.read(lambda conn: job_progress(conn, job_id)), follow=follow, as_json=as_json)


def _show(read: Callable[[], JobProgress], *, follow: bool, as_json: bool) -> None:
    console = stdout_console()
    least_gap_s = 0.0 if as_json or console.is_terminal else _LINE_EVERY_S
    states = changes(read, least_gap_s=least_gap_s) if follow else iter([read()])
    if as_json:
        for state in states:
            print_json(asdict(state))
    elif follow and console.is_terminal:
        with ProgressDisplay("", console=console, keeps_last=True) as display:
            for state in states:
                display.update(job_state(state))
    else:
        for state in states:
            click.echo(job_line(state))


def changes(
    read: Callable[[], JobProgress], *, poll_s: float = _POLL_S, least_gap_s: float = 0.0
) -> Iterator[JobProgress]:
    """Watch a job until its end.

    Args:
        read: Returns its progress.
        poll_s: The time between two polls.
        least_gap_s: The least time between two yields; a change that comes sooner is yielded later, the end at once.

    Yields:
        Its progress now and after each change; the last one is that of its end.

    Raises:
        NoSuchJob: There is no such job.
    """
    before: JobProgress | None = None
    yielded_at = float("-inf")
    while True:
        now = read()
        ended = has_ended(now)
        due = time.monotonic() - yielded_at >= least_gap_s
        if before is None or ended or (due and _counts(before) != _counts(now)):
            yield now
            before, yielded_at = now, time.monotonic()
        if ended:
            return
        time.sleep(poll_s)


def has_ended(job: JobProgress) -> bool:
    """Return whether a job is in a final phase and nothing of it is running."""
    return job.phase in FINAL_PHASES and not job.running


def _counts(job: JobProgress) -> tuple[object, ...]:
    # Without pace and elapsed time, which change all the time.
    j = job
    return (j.phase, j.suspended, j.total, j.ended, j.pending, j.running, j.failed, j.crashed, j.batches, j.bytes_read)
