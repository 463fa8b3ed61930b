"""Commands that look: status, jobs, batches, progress, workers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from evtrack.domain.errors import JobDropped
from evtrack.domain.states import BatchStatus as Status
from evtrack.domain.states import JobPhase
from evtrack.domain.text import quoted
from evtrack.interfaces.cli.jobs.history import Time, show_at
from evtrack.interfaces.cli.shared.options import LIMIT, connected, json_option, print_json
from evtrack.interfaces.terminal import tables
from evtrack.interfaces.terminal.drawing import show, stdout
from evtrack.interfaces.terminal.lines import progress_line
from evtrack.interfaces.terminal.progress import job_bar
from evtrack.interfaces.terminal.reports.job_report import advice_lines, dropped_job, job_head, section
from evtrack.interfaces.terminal.reports.next_steps import next_steps
from evtrack.interfaces.terminal.text import count, counted
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports import batch_reports, job_reports, worker_reports
from evtrack.storage.retention.ledger import ledger_line

job_argument = click.argument("job_id", metavar="JOB", type=click.IntRange(min=1))
_LATEST = 5
_LINE_EVERY_S = 2.0
_NO_JOB = "No job yet. Submit one: evtrack submit SOURCE --handler NAME"
_RUNNING = (JobPhase.OPEN, JobPhase.ABANDONED, JobPhase.SEALED)
_ENDED = (JobPhase.FINISHED, JobPhase.CANCELLED)


def words(
    choices: Iterable[Status | JobPhase],
) -> Callable[[click.Context, click.Parameter, str | None], list[str] | None]:
    """Make an option take several words with commas between.

    Args:
        choices: The words that there are.

    Returns:
        A callback for click.
    """
    known = [str(choice) for choice in choices]

    def split(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
        given = None if value is None else [word.strip() for word in value.split(",") if word.strip()]
        for word in given or []:
            if word not in known:
                raise click.BadParameter(f"{quoted(word)} is none of {', '.join(known)}.")
        return given or None

    return split


@click.command()
@click.argument("job_id", metavar="[JOB]", type=click.IntRange(min=1), required=False)
@click.option("--at", "as_of", type=Time(), help="Where JOB stood at this time: 2025-10-06 08:29:03+00.")
@json_option
@connected("status")
def status(conn: Connection, job_id: int | None, *, as_of: datetime | None, as_json: bool) -> None:
    """Show where one job stands and what to run next; without JOB, what is going on."""
    if as_of is not None:
        if job_id is None:
            raise click.UsageError("--at needs a JOB.")
        show_at(conn, job_id, as_of, as_json=as_json)
    elif job_id is None:
        _overview(conn, as_json=as_json)
    else:
        _one_job(conn, job_id, as_json=as_json)


def _overview(conn: Connection, *, as_json: bool) -> None:
    workers = worker_reports.live_workers(conn)
    phases = job_reports.jobs_by_phase(conn)
    active = job_reports.jobs(conn, limit=20, phases=_RUNNING)
    ended = job_reports.jobs(conn, limit=_LATEST, phases=_ENDED)
    if as_json:
        rows: dict[str, Sequence[Any]] = {"workers": workers, "active": active, "ended": ended}
        print_json({"phases": phases, **{name: [asdict(row) for row in found] for name, found in rows.items()}})
        return
    if not phases:
        click.echo(_NO_JOB)
        return
    running = sum(phases.get(phase, 0) for phase in _RUNNING)
    busy = f"{sum(w.busy for w in workers)} of {counted(sum(w.slots for w in workers), 'slot')} busy"
    click.echo(
        f"{counted(running, 'job')} under way, {count(sum(phases.values()) - running)} ended; "
        + (f"{counted(len(workers), 'worker')}, {busy}" if workers else "no live worker")
    )
    now = datetime.now(UTC)
    if active:
        show(section("Under way", tables.jobs_table(active, now=now)))
    if ended:
        show(section("Ended last", tables.jobs_table(ended, now=now)))
    if workers:
        show(section("Workers", tables.workers_table(workers, now=now)))


def _one_job(conn: Connection, job_id: int, *, as_json: bool) -> None:
    try:
        job = job_reports.job_status(conn, job_id)
    except JobDropped:
        _dropped_job(conn, job_id, as_json=as_json)
        return
    progress = job_reports.job_progress(conn, job_id)
    crashes = batch_reports.crashes(conn, job_id, limit=_LATEST)
    errors = job_reports.errors(conn, job_id, limit=_LATEST)
    notes = job_reports.notes(conn, job_id, limit=_LATEST)
    waiting = job_reports.waiting(conn, job_id)
    example = crashes[0].batch_no if crashes else errors[0].example_batch_no if errors else None
    steps = next_steps(
        job,
        submitter_lives=job_reports.submitter_lives(conn, job_id),
        workers=worker_reports.live_workers(conn),
        example_batch=example,
        waiting=waiting,
    )
    if as_json:
        rows: dict[str, Sequence[Any]] = {"crashes": crashes, "errors": errors, "notes": notes, "next": steps}
        lists = {name: [asdict(row) for row in found] for name, found in rows.items()}
        print_json(
            {**asdict(progress), **asdict(job), "waiting": None if waiting is None else asdict(waiting), **lists}
        )
        return
    show(job_head(job, progress))
    if crashes:
        show(section("Latest crashes", tables.crashes_table(crashes)))
    if errors:
        show(section("Most common errors", tables.errors_table(errors)))
    if notes:
        title = f"Notes on the source, {len(notes)} of {job.note_count:,}"
        show(section(title, tables.notes_table(notes)))
    if steps:
        show(section("Next", advice_lines(steps)))


def _dropped_job(conn: Connection, job_id: int, *, as_json: bool) -> None:
    line = ledger_line(conn, job_id)
    assert line is not None, "a line of the ledger is never deleted while its job is dropped"  # noqa: S101
    if as_json:
        print_json(asdict(line))
    else:
        show(dropped_job(line))


@click.command()
@click.option("--limit", type=LIMIT, default=20, show_default=True, help="At most so many, latest first.")
@click.option("--phase", "phases", callback=words(JobPhase), help="Only jobs in these phases: open,sealed,…")
@click.option("--handler", help="Only jobs of this handler.")
@json_option
@connected("jobs")
def jobs(conn: Connection, *, limit: int, phases: list[str] | None, handler: str | None, as_json: bool) -> None:
    """List the latest jobs."""
    found = job_reports.jobs(conn, limit=limit, phases=phases, handler=handler)
    if as_json:
        print_json([asdict(job) for job in found])
    elif found:
        show(tables.jobs_table(found, now=datetime.now(UTC)))
    else:
        click.echo("No such job." if phases or handler else _NO_JOB)


@click.command()
@click.option("--all", "every", is_flag=True, help="Also those that stopped or were lost, latest first.")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="At most so many.")
@json_option
@connected("workers")
def workers(conn: Connection, *, every: bool, limit: int, as_json: bool) -> None:
    """List the workers that are alive, or silent for too long: where, with what, how busy, since when."""
    found = worker_reports.workers(conn, limit=limit) if every else worker_reports.live_workers(conn, limit=limit)
    if as_json:
        print_json([asdict(worker) for worker in found])
    elif found:
        show(tables.workers_table(found, now=datetime.now(UTC)))
    else:
        click.echo("No worker. Start one: evtrack work --import MODULE" if every else "No live worker.")


@click.command()
@job_argument
@click.option("--status", "statuses", callback=words(Status), help="Only batches that are so: failed,crashed,…")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="At most so many, lowest first.")
@json_option
@connected("batches")
def batches(conn: Connection, job_id: int, *, statuses: list[str] | None, limit: int, as_json: bool) -> None:
    """List a job's batches with their items and errors."""
    job_reports.job_key(conn, job_id)
    found = batch_reports.batches(conn, job_id, limit=limit, statuses=statuses)
    if as_json:
        print_json([asdict(batch) for batch in found])
        return
    if not found:
        click.echo(f"Job {job_id} has no such batch.")
        return
    show(tables.batches_table(found))
    if len(found) == limit:
        click.echo(f"The first {counted(limit, 'batch', 'batches')}; --limit shows more.")


@click.command()
@job_argument
@click.option("--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; with --follow, a line a change.")
@connected("progress")
def progress(conn: Connection, job_id: int, *, follow: bool, as_json: bool) -> None:
    """Show a job's progress: a live bar on a terminal, lines elsewhere."""
    console = stdout()
    apart_s = 0.0 if as_json or console.is_terminal else _LINE_EVERY_S
    changes = (
        job_bar.changes(conn, job_id, apart_s=apart_s) if follow else iter([job_reports.job_progress(conn, job_id)])
    )
    if as_json:
        for change in changes:
            print_json(asdict(change))
    elif follow and console.is_terminal:
        with job_bar.LiveBar(console=console) as live:
            for change in changes:
                live.update(change)
    else:
        for change in changes:
            click.echo(progress_line(change))
