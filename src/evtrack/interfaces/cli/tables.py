"""Draws what commands show to people, for terminals from 80 columns on."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from evtrack.domain.states import BatchStatus as Status
from evtrack.domain.states import JobPhase
from evtrack.interfaces.cli.advice import Advice
from evtrack.interfaces.cli.text import count, counted, duration, moment, pace_of, percentage, plain
from evtrack.storage.log import LogRow
from evtrack.storage.reports import BatchStatus, Crash, ErrorKind, JobProgress, JobStatus, Note, Worker

_STYLES: dict[str, str] = {
    Status.PENDING: "dim",
    Status.RUNNING: "cyan",
    Status.COMPLETED: "green",
    Status.FAILED: "red",
    Status.CRASHED: "bold red",
    Status.SPLIT: "dim",
    Status.CANCELLED: "yellow",
    JobPhase.OPEN: "cyan",
    JobPhase.ABANDONED: "bold yellow",
    JobPhase.SEALED: "cyan",
    JobPhase.FINISHED: "green",
}

# Of an event's data; long texts stand in --json.
_DATA_LIMIT = 160


def stdout() -> Console:
    """Return a console on stdout: colours on a terminal only, no markup in what it prints."""
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=False)


def show(renderable: RenderableType) -> None:
    """Print to stdout.

    Args:
        renderable: What rich can draw.
    """
    console = stdout()
    with console.capture() as capture:
        console.print(renderable)
    # Through click, which tests can catch; trailing blanks of table cells help nobody.
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), color=console.is_terminal)


def jobs_table(jobs: Sequence[JobStatus], *, now: datetime) -> Table:
    """Draw a list of jobs.

    Args:
        jobs: Their rows.
        now: What ages are counted from.

    Returns:
        A row a job.
    """
    table = _table(
        "JOB", "HANDLER", "NAME", "STATE", "DONE", "ITEMS", "NOT OK", "AGE", right="JOB DONE ITEMS NOT-OK AGE"
    )
    for job in jobs:
        bad = job.failed + job.crashed + job.invalid
        table.add_row(
            str(job.job_id),
            _cell(job.handler),
            _cell(job.name or ""),
            state(job.phase, suspended=job.suspended),
            percentage(job.percent),
            count(job.total),
            Text(count(bad), style="red" if bad else "dim"),
            duration(max(0.0, round((now - job.created_at).total_seconds()))),
        )
    return table


def state(phase: str, *, suspended: bool) -> Text:
    """Write a job's phase, and beside it whether it is suspended."""
    text = Text(phase, style=_STYLES.get(phase, ""))
    return text.append(", suspended", style="yellow") if suspended else text


def batches_table(batches: Sequence[BatchStatus]) -> Table:
    """Draw a list of batches.

    Args:
        batches: Their rows.

    Returns:
        A row a batch, and what went wrong below its items.
    """
    table = _table("BATCH", "STATUS", "ITEMS", "TRY", "RAN", "WHAT", right="BATCH ITEMS TRY RAN", flexible="WHAT")
    for batch in batches:
        what = Text(plain(batch.item_summary), overflow="ellipsis", no_wrap=True)
        if batch.parent_no is not None:
            what.append(f"  (from batch {batch.parent_no})", style="dim")
        if batch.error:
            what.append(f"\n{plain(batch.error)}", style="red")
        table.add_row(
            str(batch.batch_no),
            Text(batch.status, style=_STYLES.get(batch.status, "")),
            count(batch.item_count),
            str(batch.attempt),
            "-" if batch.run_s is None else duration(batch.run_s),
            what,
        )
    return table


def workers_table(workers: Sequence[Worker]) -> Table:
    """Draw the live workers.

    Args:
        workers: Their rows.

    Returns:
        A row a worker.
    """
    table = _table(
        "WORKER", "STATE", "HOST", "PID", "BUSY", "HANDLERS", right="WORKER PID BUSY", flexible="HOST HANDLERS"
    )
    for worker in workers:
        table.add_row(
            str(worker.worker_id),
            Text(worker.state, style="green" if worker.state == "alive" else "bold yellow"),
            _cell(worker.host),
            str(worker.pid),
            f"{worker.busy}/{worker.slots}",
            _cell(", ".join(worker.handlers)),
        )
    return table


def job_head(job: JobStatus, progress: JobProgress) -> RenderableType:
    """Draw where one job stands.

    Args:
        job: What it is.
        progress: How far it is.

    Returns:
        A few lines: what, when, how fast, and its counts.
    """
    title = Text.assemble((f"Job {job.job_id}", "bold"), "  ", plain(job.handler, 40))
    if job.name:
        title.append(f"  {plain(job.name, 60)}", style="dim")
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
    table = _table("", "ITEMS", "BATCHES", right="ITEMS BATCHES")
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
            table.add_row(name, shown, "" if batches is None else count(batches), style=style)
    return table


def crashes_table(crashes: Sequence[Crash]) -> Table:
    """Draw crashes, each with its cause and what was in hand."""
    table = _table(
        "BATCH", "TRY", "WHEN", "CAUSE", "ITEM IN HAND", "BATCH NOW", right="BATCH TRY", flexible="CAUSE ITEM-IN-HAND"
    )
    for crash in crashes:
        table.add_row(
            str(crash.batch_no),
            str(crash.attempt),
            moment(crash.at),
            _cell(cause(crash), "bold red"),
            _cell(crash.item_key) if crash.item_key else _cell("not known", "dim"),
            Text(crash.batch_status, style=_STYLES.get(crash.batch_status, "")),
        )
    return table


def cause(crash: Crash) -> str:
    """Say in a word or two what ended a process."""
    if crash.signal:
        return plain(crash.signal, 24) if crash.cause == "signal" else plain(f"{crash.cause} ({crash.signal})", 40)
    if crash.exit_code is not None:
        return f"exit code {crash.exit_code}"
    return plain(crash.cause or "unknown", 24).replace("_", " ")


def errors_table(errors: Sequence[ErrorKind]) -> Table:
    """Draw errors, the most common first."""
    table = _table("TIMES", "BATCH", "ITEM", "ERROR", right="TIMES BATCH", flexible="ITEM ERROR")
    for error in errors:
        text = ": ".join(part for part in (error.type, error.message) if part) or "no message"
        table.add_row(
            count(error.failures),
            str(error.example_batch_no),
            _cell(error.example_item_key or ""),
            _cell(text, "red"),
        )
    return table


def notes_table(notes: Sequence[Note]) -> Table:
    """Draw messages about a source."""
    table = _table("WHERE", "WHAT", flexible="WHERE WHAT")
    for note in notes:
        table.add_row(_cell(note.source or ""), _cell(note.reason or ""))
    return table


def section(title: str, body: RenderableType) -> RenderableType:
    """Put a heading over a table."""
    return Group("", Text(title, style="bold"), body)


def advice_lines(steps: Sequence[Advice]) -> Table:
    """Draw the commands to run next."""
    table = Table.grid(padding=(0, 2))
    for name in ("", "command", "why"):
        table.add_column(name, no_wrap=name != "why")
    for step in steps:
        table.add_row("", Text(plain(step.command), style="cyan"), Text(plain(step.why), style="dim"))
    return table


def event_line(row: LogRow) -> str:
    """Write one event on one line.

    Args:
        row: The event.

    Returns:
        When, where, what, by whom, and the beginning of its data.
    """
    stream = f"batch {row.batch_no}" if row.batch_no else "job"
    by = f" by worker {row.worker_id}" if row.worker_id is not None else ""
    attempt = f" (attempt {row.attempt})" if row.attempt else ""
    data = plain(" ".join(f"{key}={_value(value)}" for key, value in row.data.items()), _DATA_LIMIT)
    at = f"{row.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return f"{at}Z  {stream:<10} v{row.version:<3} {row.type}{attempt}{by}  {data}".rstrip()


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def progress_line(progress: JobProgress) -> str:
    """Write a job's progress on one line."""
    numbers = f"{count(progress.ended)} of {counted(progress.total, 'item')}"
    bad = f"{progress.failed} failed, {progress.crashed} crashed, {progress.invalid} invalid"
    left = f", {duration(progress.remaining_s)} left" if progress.remaining_s is not None else ""
    pace = f", {pace_of(progress.pace)}" if progress.pace else ""
    phase = f"{progress.phase}, suspended" if progress.suspended else progress.phase
    return f"job {progress.job_id} {phase}: {percentage(progress.percent)} ({numbers}; {bad}){pace}{left}"


def _table(*names: str, right: str = "", flexible: str = "") -> Table:
    # Where the terminal is too narrow, only flexible columns give way: a number that is cut is a wrong number.
    rightmost, giving = right.split(), flexible.split()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in names:
        word = name.replace(" ", "-")
        table.add_column(
            name, justify="right" if word in rightmost else "left", no_wrap=word not in giving, overflow="ellipsis"
        )
    return table


def _cell(text: str, style: str = "") -> Text:
    return Text(plain(text), style=style, no_wrap=True, overflow="ellipsis")
