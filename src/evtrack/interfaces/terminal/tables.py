"""Draw lists of jobs, batches, workers, crashes, errors and notes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from evtrack.domain.states import BatchStatus as Status
from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import STYLES, cell, phase_text, table
from evtrack.interfaces.words.causes import crash_fate
from evtrack.interfaces.words.formatting import count, duration, moment, percentage
from evtrack.storage.reports.batch_reports import BatchRow, Crash
from evtrack.storage.reports.item_reports import ItemRow
from evtrack.storage.reports.job_reports import ErrorKind, JobStatus, NoteRow
from evtrack.storage.reports.worker_reports import RunningItem, WorkerRow

_WORKER_STYLES: Final = {"alive": "green", "stopped": "dim", "lost": "bold red"}


def jobs_table(jobs: Sequence[JobStatus], *, now: datetime) -> Table:
    """Draw a list of jobs.

    Args:
        now: The time that their age is measured at.

    Returns:
        A table with a row per job.
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
            phase_text(job.phase, suspended=job.suspended),
            percentage(job.percent),
            count(job.total),
            Text(count(bad), style="red" if bad else "dim"),
            _age(job.created_at, now),
        )
    return drawn


def batches_table(batches: Sequence[BatchRow]) -> Table:
    """Draw a list of batches.

    Returns:
        A table with a row per batch, and its error on a second line.
    """
    names = ("BATCH", "STATUS", "ITEMS", "ATTEMPT", "RAN", "CONTENTS")
    drawn = table(*names, right="BATCH ITEMS ATTEMPT RAN", flexible="CONTENTS")
    for batch in batches:
        contents = Text(printable(batch.item_summary), overflow="ellipsis", no_wrap=True)
        if batch.parent_no is not None:
            contents.append(f"  (from batch {batch.parent_no})", style="dim")
        if batch.error:
            contents.append(f"\n{printable(batch.error)}", style="red")
        drawn.add_row(
            str(batch.batch_no),
            Text(batch.status, style=STYLES.get(batch.status, "")),
            count(batch.item_count),
            str(batch.attempt),
            "-" if batch.run_s is None else duration(batch.run_s),
            contents,
        )
    return drawn


def workers_table(workers: Sequence[WorkerRow], *, now: datetime) -> Table:
    """Draw a list of workers.

    Args:
        now: The time that their age is measured at.

    Returns:
        A table with a row per worker.
    """
    # The name of a worker that was given none is its host and process.
    named = any(worker.name != f"{worker.host}:{worker.pid}" for worker in workers)
    names = ("WORKER", "STATE", *(["NAME"] if named else []), "HOST", "PID", "BUSY", "AGE", "SEEN", "HANDLERS")
    drawn = table(*names, right="WORKER PID BUSY AGE SEEN", flexible="NAME HOST HANDLERS")
    for worker in workers:
        drawn.add_row(
            str(worker.worker_id),
            Text(worker.state, style=_WORKER_STYLES.get(worker.state, "bold yellow")),
            *([cell(worker.name)] if named else []),
            cell(worker.host),
            str(worker.pid),
            f"{worker.busy}/{worker.slots}",
            _age(worker.started_at, now),
            f"{duration(max(1, round(worker.silent_s)))} ago",
            cell(", ".join(worker.handlers)),
        )
    return drawn


def running_table(running: Sequence[RunningItem], *, with_job: bool = True) -> Table:
    """Draw a list of what slots have in hand, with how long others of the handler ran.

    Args:
        with_job: Whether to show the job and batch of each.

    Returns:
        A table with a row per slot.
    """
    names = (*(["JOB", "BATCH"] if with_job else []), "WORKER", "PROCESS", "RUNNING", "P50", "P99", "ITEM IN HAND")
    drawn = table(*names, right="JOB BATCH WORKER PROCESS RUNNING P50 P99", flexible="ITEM-IN-HAND")
    for item in running:
        whole = f"whole batch of {count(item.item_count)}" if item.ordinal is None else f"#{item.ordinal}"
        drawn.add_row(
            *([str(item.job_id), str(item.batch_no)] if with_job else []),
            str(item.worker_id),
            str(item.slot or ""),
            Text(duration(item.running_s), style="bold yellow" if item.runs_long else ""),
            "-" if item.p50_s is None else duration(item.p50_s),
            "-" if item.p99_s is None else duration(item.p99_s),
            cell(item.item_key or whole),
        )
    return drawn


def crashes_table(crashes: Sequence[Crash], *, with_job: bool = False, with_items: bool = False) -> Table:
    """Draw a list of crashes.

    Args:
        with_job: Whether to show the job of each.
        with_items: Whether to show the batch's items if the item in hand is unknown.

    Returns:
        A table with a row per crash.
    """
    job = ["JOB"] if with_job else []
    names = (*job, "BATCH", "ATTEMPT", "WHEN", "CAUSE", "ITEM IN HAND", "NOW")
    drawn = table(*names, right="JOB BATCH ATTEMPT", flexible="CAUSE ITEM-IN-HAND")
    for crash in crashes:
        item = cell(crash.item_key) if crash.item_key else cell(crash.item_summary if with_items else "unknown", "dim")
        drawn.add_row(
            *([str(crash.job_id)] if with_job else []),
            str(crash.batch_no),
            str(crash.attempt),
            moment(crash.at),
            cell(_cause(crash), "bold red"),
            item,
            Text(crash_fate(crash.fate), style=STYLES.get(crash.fate, STYLES[Status.CRASHED])),
        )
    return drawn


def errors_table(errors: Sequence[ErrorKind]) -> Table:
    """Draw a list of errors, one row per fingerprint."""
    drawn = table("COUNT", "NOW", "BATCH", "ITEM", "ERROR", right="COUNT BATCH", flexible="ITEM ERROR")
    for error in errors:
        # If only one message was seen so far, it says more than its shape.
        message = error.message if error.failures == 1 else error.shape
        text = ": ".join(part for part in (error.type, message) if part) or "no message"
        place = f"\n{printable(error.place)}" if error.place else ""
        drawn.add_row(
            count(error.failures),
            _error_now(error),
            str(error.example_batch_no),
            cell(error.example_item_key or ""),
            cell(text, "red").append(place, style="dim"),
        )
    return drawn


def items_table(items: Sequence[ItemRow]) -> Table:
    """Draw a list of items.

    Returns:
        A table with a row per item, and its error on a second line.
    """
    drawn = table("ORDINAL", "STATUS", "BATCH", "ATTEMPT", "ITEM", right="ORDINAL BATCH ATTEMPT", flexible="ITEM")
    for item in items:
        text = cell(item.item_key or f"#{item.ordinal}")
        if item.error:
            text.append(f"\n{printable(item.error)}", style="red")
        drawn.add_row(
            str(item.ordinal),
            Text(item.status, style=STYLES.get(item.status, "")),
            str(item.batch_no),
            str(item.attempt),
            text,
        )
    return drawn


def notes_table(notes: Sequence[NoteRow]) -> Table:
    """Draw a list of notes about a source."""
    drawn = table("WHERE", "NOTE", flexible="WHERE NOTE")
    for note in notes:
        drawn.add_row(cell(note.source or ""), cell(note.reason or ""))
    return drawn


def _error_now(error: ErrorKind) -> Text:
    if error.items_failed:
        return Text(f"{count(error.items_failed)} failed", style="red")
    if error.items_retrying:
        return Text(f"{count(error.items_retrying)} retrying", style="yellow")
    return Text("solved", style="dim")


def _age(since: datetime, now: datetime) -> str:
    return duration(max(0.0, round((now - since).total_seconds())))


def _cause(crash: Crash) -> str:
    # If a limit was the cause, the signal only enforced it.
    if crash.signal and crash.cause in {"signal", "unknown", None}:
        return crash.signal
    if crash.exit_code is not None and crash.cause in {"exit_code", "unknown", None}:
        return f"exit code {crash.exit_code}"
    return (crash.cause or "unknown").replace("_", " ")
