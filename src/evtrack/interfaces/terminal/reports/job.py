"""Draw the state of one job, and what to run next."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from evtrack.domain.states import BatchStatus, JobPhase
from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import phase_text, table
from evtrack.interfaces.words.formatting import count, counted, duration, moment, pace_of, percentage
from evtrack.interfaces.words.next_steps import NextStep
from evtrack.storage.reports.history import ProgressAt
from evtrack.storage.reports.job_reports import JobProgress, JobStatus
from evtrack.storage.reports.troubles import JobTroubles
from evtrack.storage.retention.ledger import LedgerLine


def job_head(job: JobStatus, progress: JobProgress, troubles: JobTroubles | None = None) -> RenderableType:
    """Draw the state of a job.

    Args:
        troubles: What is wrong with it now, if that is to be shown.

    Returns:
        Its names, what is wrong now, phase, times and pace, a bar, and its counts.
    """
    title = _title(job.job_id, job.handler, job.name)
    line = phase_text(job.phase, suspended=job.suspended)
    line.append(f" {job.outcome}" if job.outcome else "", style="green" if job.outcome == "ok" else "red")
    took = "took" if progress.ended_at else "for"
    facts = [f"created {moment(job.created_at)}", f"{took} {duration(job.elapsed_s)}", pace_of(job.pace)]
    if progress.remaining_s is not None:
        facts.append(f"{duration(progress.remaining_s)} left")
    line.append("".join(f" · {fact}" for fact in facts if fact))
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=100, completed=progress.percent or 0, width=60),
        f"{percentage(progress.percent)}{' read' if job.phase in {JobPhase.OPEN, JobPhase.ABANDONED} else ''}",
    )
    wrong = [] if troubles is None else _wrong_now(troubles, job.job_id)
    return Group(title, *wrong, line, bar, _counts(progress))


def job_then(then: ProgressAt, as_of: datetime) -> str:
    """Write the state of a job at a time.

    Args:
        then: Its progress at that time.
        as_of: The time.

    Returns:
        A line each about the job, its items and its batches.
    """
    suspended = ", suspended" if then.suspended else ""
    return (
        f"job {then.job_id} at {moment(as_of)}: {then.phase}{suspended}, {percentage(then.percent)}\n"
        f"  items    {then.total:,}: {then.done:,} done, {then.failed:,} failed, {then.crashed:,} crashed, "
        f"{then.cancelled:,} cancelled, {then.invalid:,} invalid, {then.running:,} running, {then.pending:,} pending\n"
        f"  batches  {then.batches:,}: {then.batches_completed:,} completed, {then.batches_failed:,} failed, "
        f"{then.batches_crashed:,} crashed, {then.batches_split:,} split, {then.batches_cancelled:,} cancelled, "
        f"{then.batches_running:,} running, {then.batches_pending:,} pending"
    )


def dropped_job(line: LedgerLine) -> RenderableType:
    """Draw the summary of a dropped job.

    Args:
        line: Its line in the ledger.

    Returns:
        Its names and times, its counts, and where its log is archived.
    """
    facts = Text("dropped", style="yellow")
    facts.append(f" {moment(line.dropped_at)} · created {moment(line.created_at)}")
    facts.append(f" · {line.phase} {moment(line.ended_at)}")
    drawn = table("", "ITEMS", "BATCHES", right="ITEMS BATCHES")
    for status in BatchStatus:
        if line.items.get(status) or line.batches.get(status):
            name = "done" if status is BatchStatus.COMPLETED else status
            drawn.add_row(name, count(line.items.get(status, 0)), count(line.batches.get(status, 0)))
    if line.invalid:
        drawn.add_row("invalid", count(line.invalid), "")
    archived = f"archived in {printable(line.archive)}" if line.archive else "not archived"
    log = Text(
        f"The log ({counted(line.events, 'event')}) is {archived}; its digest is {line.digest}.", overflow="fold"
    )
    return Group(_title(line.job_id, line.handler, line.name), facts, drawn, log)


def advice_table(steps: Sequence[NextStep]) -> Table:
    """Draw the commands to run next."""
    grid = Table.grid(padding=(0, 2))
    for name in ("", "command", "why"):
        grid.add_column(name, no_wrap=name != "why")
    for step in steps:
        grid.add_row("", Text(printable(step.command), style="cyan"), Text(printable(step.why), style="dim"))
    return grid


def _title(job_id: int, handler: str, name: str | None) -> Text:
    title = Text.assemble((f"Job {job_id}", "bold"), "  ", printable(handler, 40))
    return title.append(f"  {printable(name, 60)}", style="dim") if name else title


def wrong_in_active_jobs(now: Mapping[str, int], stuck_job: int | None) -> Text:
    """Write what is wrong with all active jobs.

    Args:
        now: The numbers of items by what is wrong with them.
        stuck_job: A job that waits although it should not, if any does.

    Returns:
        A line.
    """
    line = _numbers(now)
    return line.append(f" (evtrack status {stuck_job})", style="none") if stuck_job is not None else line


def _numbers(now: Mapping[str, int]) -> Text:
    words = {"failed": "failed", "crashed": "crashed", "stuck": "stuck in the queue", "retrying": "waiting for a retry"}
    wrong = ", ".join(f"{count(number)} {words[what]}" for what, number in now.items() if number)
    return Text(f"Wrong now: {wrong}", style="bold red")


def _wrong_now(troubles: JobTroubles, job_id: int) -> list[Text]:
    if any(troubles.counts.values()):
        return [_numbers(troubles.counts)]
    solved = []
    if troubles.solved_errors and not troubles.errors:
        solved.append(f"retries solved {counted(troubles.solved_errors, 'error')}: evtrack errors {job_id}")
    if troubles.has_solved_crashes:
        solved.append(f"its crashes are over: evtrack crashes {job_id}")
    return [Text(f"Nothing is wrong now; {each}", style="dim") for each in solved]


def _counts(progress: JobProgress) -> Table:
    p = progress
    drawn = table("", "ITEMS", "BATCHES", right="ITEMS BATCHES")
    rows: tuple[tuple[str, int, int | None, str], ...] = (
        ("done", p.done, p.batches_completed, "green"),
        ("running", p.running, p.batches_running, "cyan"),
        ("pending", p.pending, p.batches_pending, ""),
        ("failed", p.failed, p.batches_failed, "red"),
        ("crashed", p.crashed, p.batches_crashed, "bold red"),
        ("cancelled", p.cancelled, p.batches_cancelled, "yellow"),
        ("invalid", p.invalid, None, "red"),
        ("split", 0, p.batches_split, "dim"),
        ("total", p.total, p.batches, "bold"),
    )
    for name, items, batches, style in rows:
        if items or batches or name in {"done", "total"}:
            shown = "" if name == "split" else count(items)
            drawn.add_row(name, shown, "" if batches is None else count(batches), style=style)
    return drawn
