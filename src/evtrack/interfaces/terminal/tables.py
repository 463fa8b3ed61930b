"""Draws lists: jobs, batches, workers, crashes, errors and notes."""

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from evtrack.domain.states import BatchStatus as Status
from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import STYLES, cell, state, table
from evtrack.interfaces.terminal.text import count, duration, moment, percentage
from evtrack.storage.reports.batch_reports import BatchRow, Crash
from evtrack.storage.reports.job_reports import ErrorKind, JobStatus, NoteRow
from evtrack.storage.reports.worker_reports import WorkerRow

_WORKER_STYLES = {"alive": "green", "stopped": "dim", "lost": "bold red"}


def jobs_table(jobs: Sequence[JobStatus], *, now: datetime) -> Table:
    """Draw a list of jobs.

    Args:
        jobs: Their rows.
        now: What ages are counted from.

    Returns:
        A row a job.
    """
    drawn = table(
        "JOB",
        "HANDLER",
        "NAME",
        "STATE",
        "DONE",
        "ITEMS",
        "NOT OK",
        "AGE",
        right="JOB DONE ITEMS NOT-OK AGE",
        flexible="HANDLER NAME",
    )
    for job in jobs:
        bad = job.failed + job.crashed + job.invalid
        drawn.add_row(
            str(job.job_id),
            cell(job.handler),
            cell(job.name or ""),
            state(job.phase, suspended=job.suspended),
            percentage(job.percent),
            count(job.total),
            Text(count(bad), style="red" if bad else "dim"),
            duration(max(0.0, round((now - job.created_at).total_seconds()))),
        )
    return drawn


def batches_table(batches: Sequence[BatchRow]) -> Table:
    """Draw a list of batches.

    Args:
        batches: Their rows.

    Returns:
        A row a batch, and what went wrong below its items.
    """
    drawn = table("BATCH", "STATUS", "ITEMS", "TRY", "RAN", "WHAT", right="BATCH ITEMS TRY RAN", flexible="WHAT")
    for batch in batches:
        what = Text(printable(batch.item_summary), overflow="ellipsis", no_wrap=True)
        if batch.parent_no is not None:
            what.append(f"  (from batch {batch.parent_no})", style="dim")
        if batch.error:
            what.append(f"\n{printable(batch.error)}", style="red")
        drawn.add_row(
            str(batch.batch_no),
            Text(batch.status, style=STYLES.get(batch.status, "")),
            count(batch.item_count),
            str(batch.attempt),
            "-" if batch.run_s is None else duration(batch.run_s),
            what,
        )
    return drawn


def workers_table(workers: Sequence[WorkerRow], *, now: datetime) -> Table:
    """Draw workers.

    Args:
        workers: Their rows.
        now: What ages are counted from.

    Returns:
        A row a worker.
    """
    drawn = table(
        "WORKER",
        "STATE",
        "HOST",
        "PID",
        "BUSY",
        "AGE",
        "SEEN",
        "HANDLERS",
        right="WORKER PID BUSY AGE SEEN",
        flexible="HOST HANDLERS",
    )
    for worker in workers:
        drawn.add_row(
            str(worker.worker_id),
            Text(worker.state, style=_WORKER_STYLES.get(worker.state, "bold yellow")),
            cell(worker.host),
            str(worker.pid),
            f"{worker.busy}/{worker.slots}",
            duration(max(0.0, round((now - worker.started_at).total_seconds()))),
            f"{duration(max(1, round(worker.silent_s)))} ago",
            cell(", ".join(worker.handlers)),
        )
    return drawn


def crashes_table(crashes: Sequence[Crash], *, with_job: bool = False, with_items: bool = False) -> Table:
    """Draw crashes, each with its cause and what was in hand.

    Args:
        crashes: Their rows.
        with_job: Whether they are of several jobs.
        with_items: Whether to show the batch's items where the one in hand is not known.

    Returns:
        A row a crash.
    """
    job = ["JOB"] if with_job else []
    names = (*job, "BATCH", "TRY", "WHEN", "CAUSE", "ITEM IN HAND", "NOW")
    drawn = table(*names, right="JOB BATCH TRY", flexible="CAUSE ITEM-IN-HAND")
    for crash in crashes:
        drawn.add_row(
            *([str(crash.job_id)] if with_job else []),
            str(crash.batch_no),
            str(crash.attempt),
            moment(crash.at),
            cell(cause(crash), "bold red"),
            cell(crash.item_key) if crash.item_key else cell(crash.item_summary if with_items else "not known", "dim"),
            Text(
                "poison" if crash.poison and crash.batch_status == Status.CRASHED else crash.batch_status,
                style=STYLES.get(crash.batch_status, ""),
            ),
        )
    return drawn


def cause(crash: Crash) -> str:
    """Say in a word or two what ended a process."""
    # Where a limit was the cause, the signal is only how it was enforced.
    if crash.signal and crash.cause in {"signal", "unknown", None}:
        return printable(crash.signal, 24)
    if crash.exit_code is not None and crash.cause in {"exit_code", "unknown", None}:
        return f"exit code {crash.exit_code}"
    return printable(crash.cause or "unknown", 24).replace("_", " ")


def errors_table(errors: Sequence[ErrorKind]) -> Table:
    """Draw errors, the most common first."""
    drawn = table("TIMES", "BATCH", "ITEM", "ERROR", right="TIMES BATCH", flexible="ITEM ERROR")
    for error in errors:
        text = ": ".join(part for part in (error.type, error.message) if part) or "no message"
        drawn.add_row(
            count(error.failures),
            str(error.example_batch_no),
            cell(error.example_item_key or ""),
            cell(text, "red"),
        )
    return drawn


def notes_table(notes: Sequence[NoteRow]) -> Table:
    """Draw messages about a source."""
    drawn = table("WHERE", "WHAT", flexible="WHERE WHAT")
    for note in notes:
        drawn.add_row(cell(note.source or ""), cell(note.reason or ""))
    return drawn
