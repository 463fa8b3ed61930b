"""Commands that tell of crashes: crashes lists them, show tells the story of one batch."""

from dataclasses import asdict

import click

from evtrack.interfaces.cli.jobs.status import job_argument
from evtrack.interfaces.cli.shared.options import BATCH_NO, LIMIT, Span, connected, json_option, print_json
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal import tables
from evtrack.interfaces.terminal.drawing import show as draw
from evtrack.interfaces.terminal.reports.batch_report import story
from evtrack.interfaces.terminal.text import counted
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports import batch_reports, job_reports
from evtrack.storage.reports.batch_reports import batch_history

_DAY_S = 86400.0


@click.command()
@click.argument("job_id", metavar="[JOB]", type=click.IntRange(min=1), required=False)
@click.option(
    "--since", "since_s", type=Span(), help="Only the last 90s, 30m, 24h, 7d.  [default: all of JOB; else 24h]"
)
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="At most so many, latest first.")
@json_option
@connected("crashes")
def crashes(conn: Connection, job_id: int | None, *, since_s: float | None, limit: int, as_json: bool) -> None:
    """List crashes: what ended each process, and what it had in hand; without JOB, those of all jobs."""
    if job_id is not None:
        job_reports.job_key(conn, job_id)
    elif since_s is None:
        since_s = _DAY_S
    found = batch_reports.crashes(conn, job_id, limit=limit, since_s=since_s)
    if as_json:
        print_json([asdict(crash) for crash in found])
        return
    if not found:
        click.echo("No crash." if job_id is None else f"Job {job_id}: no crash.")
        return
    draw(tables.crashes_table(found, with_job=job_id is None))
    if len(found) == limit:
        click.echo(f"The latest {counted(limit, 'crash', 'crashes')}; --limit shows more.")
    notice(f"What happened: evtrack show {found[0].job_id} {found[0].batch_no}")


@click.command()
@job_argument
@click.argument("batch_no", metavar="BATCH", type=BATCH_NO)
@json_option
@connected("show")
def show(conn: Connection, job_id: int, batch_no: int, *, as_json: bool) -> None:
    """Tell the story of one batch: what happened when, by which worker, why it died, and what became of its items."""
    told = batch_history(conn, job_id, batch_no)
    if as_json:
        print_json(
            {
                **asdict(told.batch),
                "handler": told.handler,
                "events": [asdict(event) for event in told.events],
                "workers": [asdict(worker) for worker in told.workers.values()],
                "restored_workers": told.restored,
                "fates": [asdict(fate) for fate in told.outcomes],
            }
        )
    else:
        draw(story(told))
