"""`evtrack jobs`, `batches`, `items`, `errors` and `workers`: lists."""

from dataclasses import asdict
from datetime import UTC, datetime
from shlex import quote
from typing import Any

import click
from rich.console import Group

from evtrack.domain.states import BatchStatus, JobPhase
from evtrack.domain.text import printable
from evtrack.interfaces.cli.jobs.status import NO_JOBS
from evtrack.interfaces.cli.shared.options import job_argument, json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import LIMIT, WORKER_ID, Words
from evtrack.interfaces.terminal import tables
from evtrack.interfaces.terminal.drawing import section, show
from evtrack.interfaces.terminal.reports.workers import lost_worker_report
from evtrack.interfaces.words.formatting import counted
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports import batch_reports, item_reports, job_reports, worker_reports


@click.command()
@click.option("--limit", type=LIMIT, default=20, show_default=True, help="List at most this many jobs, latest first.")
@click.option("--phase", "phases", type=Words("PHASE", JobPhase), help="Only jobs in these phases: open,sealed,...")
@click.option("--handler", metavar="NAME", help="Only jobs of this handler.")
@json_option
@with_connection("jobs")
def jobs(conn: Connection, *, limit: int, phases: list[str] | None, handler: str | None, as_json: bool) -> None:
    """List the latest jobs."""
    found = job_reports.jobs(conn, limit=limit, phases=phases, handler=handler)
    if as_json:
        print_json([asdict(job) for job in found])
    elif found:
        show(tables.jobs_table(found, now=datetime.now(UTC)))
    else:
        click.echo("No such jobs." if phases or handler else NO_JOBS)


@click.command()
@job_argument
@click.option(
    "--status", "statuses", type=Words("STATUS", BatchStatus), help="Only batches with this status: failed,crashed,..."
)
@click.option(
    "--limit", type=LIMIT, default=50, show_default=True, help="List at most this many batches, lowest number first."
)
@json_option
@with_connection("batches")
def batches(conn: Connection, job_id: int, *, statuses: list[str] | None, limit: int, as_json: bool) -> None:
    """List a job's batches with their items and errors."""
    job_reports.job_key(conn, job_id)
    found = batch_reports.batches(conn, job_id, limit=limit, statuses=statuses)
    if as_json:
        print_json([asdict(batch) for batch in found])
        return
    if not found:
        click.echo(f"Job {job_id} has no such batches.")
        return
    show(tables.batches_table(found))
    if len(found) == limit:
        click.echo(f"These are the first {counted(limit, 'batch', 'batches')}. Raise --limit to see more.")


@click.command()
@job_argument
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option(
    "--status", "statuses", type=Words("STATUS", BatchStatus), help="Only items with this status: failed,crashed,..."
)
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="List at most this many items.")
@json_option
@with_connection("items")
def items(
    conn: Connection, job_id: int, *, keys: tuple[str, ...], statuses: list[str] | None, limit: int, as_json: bool
) -> None:
    """List a job's items with the batch that holds each now, and its own last error.

    With KEYs, list only the items with these keys.
    """
    job_reports.job_key(conn, job_id)
    found = item_reports.items(conn, job_id, limit=limit, keys=keys or None, statuses=statuses)
    if as_json:
        print_json([asdict(item) for item in found])
        return
    if not found:
        click.echo(f"Job {job_id} has no such items.")
        return
    show(tables.items_table(found))
    if len(found) == limit:
        click.echo(f"These are the first {counted(limit, 'item')}. Raise --limit to see more.")


@click.command()
@job_argument
@click.option("--now", "only_now", is_flag=True, help="Only errors of items that are failed or run again.")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="List at most this many errors.")
@json_option
@with_connection("errors")
def errors(conn: Connection, job_id: int, *, only_now: bool, limit: int, as_json: bool) -> None:
    """List the errors that a job's handler raised.

    Errors of the same type that were raised at the same place with the same message, apart from numbers, quoted text,
    paths and identifiers, are one row. Errors of items that are failed now come first.
    """
    job_reports.job_key(conn, job_id)
    found = [each for each in job_reports.errors(conn, job_id, limit=limit) if each.is_open or not only_now]
    if as_json:
        print_json([asdict(error) for error in found])
    elif found:
        show(tables.errors_table(found))
    else:
        click.echo(f"Job {job_id} has no {'items with errors now' if only_now else 'errors'}.")


@click.command()
@click.argument("worker_ids", metavar="[WORKER]...", nargs=-1, type=WORKER_ID)
@click.option("--all", "every", is_flag=True, help="Also list stopped and lost workers, latest first.")
@click.option("--handler", metavar="NAME", help="Only workers that offer this handler.")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="List at most this many workers.")
@json_option
@with_connection("workers")
def workers(
    conn: Connection, *, worker_ids: tuple[int, ...], every: bool, handler: str | None, limit: int, as_json: bool
) -> None:
    """List live workers, including those without a recent heartbeat, and what they have had in hand for over a second.

    With WORKERS, their numbers, list only these, in any state; for a lost one, why it was lost and what to look at.

    P50 and P99 are how long half, and 99 of 100, of the handler's completed batches ran, per item if the item in hand
    is one of several.
    """
    every = every or bool(worker_ids)
    found = worker_reports.workers(conn, limit=limit, every=every, worker_ids=worker_ids or None, handler=handler)
    losses = {lost.worker_id: lost for lost in worker_reports.lost_workers(conn, worker_ids)} if worker_ids else {}
    if as_json:
        print_json([{**asdict(worker), **_loss(losses.get(worker.worker_id))} for worker in found])
        return
    if not found:
        click.echo(_no_workers(worker_ids, handler, every=every))
        return
    show(tables.workers_table(found, now=datetime.now(UTC)))
    for lost in losses.values():
        show(Group("", lost_worker_report(lost)))
    listed = {worker.worker_id for worker in found}
    if running := [each for each in worker_reports.running_items(conn, limit=limit) if each.worker_id in listed]:
        show(section("In hand for over a second", tables.running_table(running)))


def _loss(lost: worker_reports.LostWorker | None) -> dict[str, Any]:
    if lost is None:
        return {}
    return {"lost_at": lost.lost_at, "why": lost.why, "batches": lost.batches, "others": lost.others}


def _no_workers(worker_ids: tuple[int, ...], handler: str | None, *, every: bool) -> str:
    if worker_ids:
        return "No such workers. evtrack workers --all lists the latest."
    start = "Start one: evtrack work --import MODULE" + (f" --handler {quote(printable(handler))}" if handler else "")
    if handler:
        return f"No {'worker has offered' if every else 'live worker offers'} the handler {printable(handler)}. {start}"
    return f"No workers. {start}" if every else "No live workers. evtrack workers --all lists stopped and lost ones."
