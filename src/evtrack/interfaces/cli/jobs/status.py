"""`evtrack status`: the state of one job, now or at a time, or of all."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import click

from evtrack.domain.errors import JobDropped
from evtrack.domain.states import JobPhase
from evtrack.interfaces.cli.shared.options import json_option, optional_job_argument, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import Timestamp
from evtrack.interfaces.terminal import tables
from evtrack.interfaces.terminal.drawing import section, show
from evtrack.interfaces.terminal.reports.job import advice_table, dropped_job, job_head, job_then, wrong_in_active_jobs
from evtrack.interfaces.words.formatting import count, counted
from evtrack.interfaces.words.next_steps import next_steps
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports import history, job_reports, troubles, worker_reports
from evtrack.storage.retention.ledger import ledger_line

NO_JOBS: Final = "No jobs. Submit one: evtrack submit SOURCE --handler NAME"

_LATEST: Final = 5
_ACTIVE: Final = (JobPhase.OPEN, JobPhase.ABANDONED, JobPhase.SEALED)
_ENDED: Final = (JobPhase.FINISHED, JobPhase.CANCELLED)


@click.command()
@optional_job_argument
@click.option(
    "--at", "as_of", type=Timestamp(), help="Show JOB as it was at this time, for example 2025-10-06 08:29:03+00."
)
@json_option
@with_connection("status")
def status(conn: Connection, job_id: int | None, *, as_of: datetime | None, as_json: bool) -> None:
    """Show the state of JOB, what is wrong with it now, and what to run next.

    Without JOB, show what is wrong with active jobs, these jobs, the jobs that ended last, and workers.
    """
    if as_of is not None:
        if job_id is None:
            raise click.UsageError("--at needs a JOB.")
        _one_job_then(conn, job_id, as_of, as_json=as_json)
    elif job_id is None:
        _all_jobs(conn, as_json=as_json)
    else:
        _one_job(conn, job_id, as_json=as_json)


def _all_jobs(conn: Connection, *, as_json: bool) -> None:
    workers = worker_reports.live_workers(conn)
    phases = job_reports.jobs_by_phase(conn)
    active = job_reports.active_jobs(conn, limit=20)
    ended = job_reports.jobs(conn, limit=_LATEST, phases=_ENDED)
    stuck = troubles.overdue(conn)
    wrong = {
        "failed": sum(job.failed for job in active),
        "crashed": sum(job.crashed for job in active),
        "stuck": stuck.items,
    }
    if as_json:
        rows: dict[str, list[Any]] = {"workers": workers, "active": active, "ended": ended}
        lists = {name: [asdict(row) for row in found] for name, found in rows.items()}
        print_json({"phases": phases, "now": wrong, **lists})
        return
    if not phases:
        click.echo(NO_JOBS)
        return
    if any(wrong.values()):
        show(wrong_in_active_jobs(wrong, stuck.example_job_id))
    running = sum(phases.get(phase, 0) for phase in _ACTIVE)
    busy = f"{sum(w.busy for w in workers)} of {counted(sum(w.slots for w in workers), 'slot')} busy"
    click.echo(
        f"{counted(running, 'active job')}, {count(sum(phases.values()) - running)} ended; "
        + (f"{counted(len(workers), 'worker')}, {busy}" if workers else "no live workers")
    )
    now = datetime.now(UTC)
    if active:
        show(section("Active jobs", tables.jobs_table(active, now=now)))
    if ended:
        show(section("Latest ended jobs", tables.jobs_table(ended, now=now)))
    if workers:
        show(section("Workers", tables.workers_table(workers, now=now)))


def _one_job(conn: Connection, job_id: int, *, as_json: bool) -> None:
    try:
        job = job_reports.job_status(conn, job_id)
    except JobDropped:
        _one_dropped_job(conn, job_id, as_json=as_json)
        return
    progress = job_reports.job_progress(conn, job_id)
    notes = job_reports.notes(conn, job_id, limit=_LATEST)
    waiting = job_reports.waiting(conn, job_id)
    now = troubles.job_troubles(conn, job, waiting, limit=_LATEST)
    example = now.crashes[0].batch_no if now.crashes else now.errors[0].example_batch_no if now.errors else None
    steps = next_steps(
        job,
        submitter_lives=job_reports.submitter_lives(conn, job_id),
        is_offered=any(job.handler in worker.handlers for worker in worker_reports.live_workers(conn)),
        example_batch=example,
        waiting=waiting,
    )
    if as_json:
        rows: dict[str, list[Any]] = {"crashes": now.crashes, "errors": now.errors, "notes": notes, "next": steps}
        lists = {name: [asdict(row) for row in found] for name, found in rows.items()}
        print_json(
            {
                **asdict(progress),
                **asdict(job),
                "now": now.counts,
                "solved_errors": now.solved_errors,
                "waiting": None if waiting is None else asdict(waiting),
                **lists,
            }
        )
        return
    show(job_head(job, progress, now))
    if now.crashes:
        show(section("Crashed items", tables.crashes_table(now.crashes)))
    if now.errors:
        show(section("Errors of failed items", tables.errors_table(now.errors)))
    if notes:
        title = f"Notes about the source ({len(notes)} of {job.note_count:,})"
        show(section(title, tables.notes_table(notes)))
    if steps:
        show(section("Next", advice_table(steps)))


def _one_dropped_job(conn: Connection, job_id: int, *, as_json: bool) -> None:
    line = ledger_line(conn, job_id)
    assert line is not None, "the ledger keeps a line for every dropped job"  # noqa: S101
    if as_json:
        print_json(asdict(line))
    else:
        show(dropped_job(line))


def _one_job_then(conn: Connection, job_id: int, as_of: datetime, *, as_json: bool) -> None:
    then = history.job_progress_at(conn, job_id, as_of)
    if as_json:
        print_json(asdict(then))
    else:
        click.echo(job_then(then, as_of))
