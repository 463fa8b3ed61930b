"""`evtrack crashes` and `show`: crashes of jobs, and the timeline of one batch."""

from dataclasses import asdict
from typing import Final

import click

from evtrack.interfaces.cli.shared.options import (
    job_argument,
    json_option,
    optional_job_argument,
    print_json,
    with_connection,
)
from evtrack.interfaces.cli.shared.parameter_types import BATCH_NO, LIMIT, TimeWindow
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal import drawing, tables
from evtrack.interfaces.terminal.reports.batch import batch_timeline
from evtrack.interfaces.words.formatting import counted
from evtrack.interfaces.words.isolation import isolation_line
from evtrack.interfaces.words.story_markdown import story_markdown
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports import batch_reports, job_reports
from evtrack.storage.reports.batch_reports import batch_history
from evtrack.storage.reports.worker_reports import running_items

_DAY_S: Final = 86400.0


@click.command()
@optional_job_argument
@click.option(
    "--since",
    "since_s",
    type=TimeWindow(),
    help="Time to look back: 90s, 30m, 24h, 7d.  [default: all of JOB; without JOB, 24h]",
)
@click.option(
    "--limit", type=LIMIT, default=50, show_default=True, help="List at most this many crashes, latest first."
)
@json_option
@with_connection("crashes")
def crashes(conn: Connection, job_id: int | None, *, since_s: float | None, limit: int, as_json: bool) -> None:
    """List crashes with their causes and items in hand.

    Without JOB, list the crashes of all jobs.
    """
    if job_id is not None:
        job_reports.job_key(conn, job_id)
    elif since_s is None:
        since_s = _DAY_S
    found = batch_reports.crashes(conn, job_id, limit=limit, since_s=since_s)
    if as_json:
        print_json([asdict(crash) for crash in found])
        return
    if not found:
        click.echo("No crashes." if job_id is None else f"Job {job_id} has no crashes.")
        return
    drawing.show(tables.crashes_table(found, with_job=job_id is None))
    if len(found) == limit:
        click.echo(f"These are the latest {counted(limit, 'crash', 'crashes')}. Raise --limit to see more.")
    notice(f"For details, see: evtrack show {found[0].job_id} {found[0].batch_no}")


@click.command()
@job_argument
@click.argument("batch_no", metavar="BATCH", type=BATCH_NO)
@json_option
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for an issue or a post-mortem.")
@with_connection("show")
def show(conn: Connection, job_id: int, batch_no: int, *, as_json: bool, as_markdown: bool) -> None:
    """Show the timeline of one batch.

    Prints each event with its worker, the crash reports, what became of the batch's items, and what is in hand now.
    """
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other.")
    report = batch_history(conn, job_id, batch_no)
    if as_markdown:
        click.echo(story_markdown(report), nl=False)
        return
    running = running_items(conn, limit=1, job_id=job_id, batch_no=batch_no)
    if as_json:
        print_json(
            {
                **asdict(report.batch),
                "handler": report.handler,
                "explanation": isolation_line(report) or None,
                "events": [asdict(event) for event in report.events],
                "workers": [asdict(worker) for worker in report.workers.values()],
                "restored_workers": report.restored,
                "fates": [asdict(fate) for fate in report.outcomes],
                "running": [asdict(item) for item in running],
            }
        )
    else:
        drawing.show(batch_timeline(report))
        if running:
            title = "In hand for over a second"
            drawing.show(drawing.section(title, tables.running_table(running, with_job=False)))
