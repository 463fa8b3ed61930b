"""Draws where one job stands, and what to run next."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from evtrack.domain.states import BatchStatus, JobPhase
from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import state, table
from evtrack.interfaces.terminal.reports.next_steps import Advice
from evtrack.interfaces.terminal.text import count, counted, duration, moment, pace_of, percentage
from evtrack.storage.reports.job_reports import JobProgress, JobStatus
from evtrack.storage.retention.ledger import LedgerLine


def job_head(job: JobStatus, progress: JobProgress) -> RenderableType:
    """Draw where one job stands.

    Args:
        job: What it is.
        progress: How far it is.

    Returns:
        A few lines: what, when, how fast, and its counts.
    """
    title = Text.assemble((f"Job {job.job_id}", "bold"), "  ", printable(job.handler, 40))
    if job.name:
        title.append(f"  {printable(job.name, 60)}", style="dim")
    line = state(job.phase, suspended=job.suspended)
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
    return Group(title, line, bar, _counts(progress))


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


def dropped_job(line: LedgerLine) -> RenderableType:
    """Draw what the ledger knows of a job that retention dropped.

    Args:
        line: Its line.

    Returns:
        A few lines: what, when, its counts, and where its log went.
    """
    title = Text.assemble((f"Job {line.job_id}", "bold"), "  ", printable(line.handler, 40))
    if line.name:
        title.append(f"  {printable(line.name, 60)}", style="dim")
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
    where = f"Its {counted(line.events, 'event')} are archived in {printable(line.archive)}" if line.archive else ""
    left = where or f"Its {counted(line.events, 'event')} were not archived"
    return Group(title, facts, drawn, Text(f"{left}; their digest is {line.digest}.", overflow="fold"))


def section(title: str, body: RenderableType) -> RenderableType:
    """Put a heading over a table."""
    return Group("", Text(title, style="bold"), body)


def advice_lines(steps: Sequence[Advice]) -> Table:
    """Draw the commands to run next."""
    grid = Table.grid(padding=(0, 2))
    for name in ("", "command", "why"):
        grid.add_column(name, no_wrap=name != "why")
    for step in steps:
        grid.add_row("", Text(printable(step.command), style="cyan"), Text(printable(step.why), style="dim"))
    return grid
