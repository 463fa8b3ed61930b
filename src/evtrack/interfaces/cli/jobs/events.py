"""The command that prints the log: a job's, or all of it, in commit order, once or for ever."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

import click

from evtrack.domain.errors import BadArgument
from evtrack.interfaces.cli.jobs.follow import events_until_end
from evtrack.interfaces.cli.shared.options import BATCH_NO, located, print_json
from evtrack.interfaces.terminal.lines import event_line
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.log.follow import feed
from evtrack.storage.log.position import LogPosition
from evtrack.storage.log.reader import LogRow, Tail
from evtrack.storage.reports import job_reports
from evtrack.storage.reports.batch_reports import batch_row


@click.command()
@click.argument("job_id", metavar="[JOB]", type=click.IntRange(min=1), required=False)
@click.option(
    "--batch", "batch_no", type=click.IntRange(0, BATCH_NO.max), help="Only this batch; 0 is the job's own stream."
)
@click.option("--after", metavar="POSITION", help="Go on after this position, as the lines of --json have it.")
@click.option("--follow", is_flag=True, help="Go on with what comes: until JOB has ended; without JOB, for ever.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document; with --follow, --after or all jobs a line each.",
)
@located()
def events(
    dsn: str, job_id: int | None, *, batch_no: int | None, after: str | None, follow: bool, as_json: bool
) -> None:
    """Print a job's events in the order in which they were committed; without JOB, those of all jobs.

    Each JSON line carries the position behind its event. A program that keeps it with what came of the event, and
    starts again with --after, sees each event once. A position does not survive a restore into another database.
    """
    start = None if after is None else LogPosition.parse(after)
    if job_id is None:
        if batch_no is not None:
            raise BadArgument(f"batch {batch_no} of which job?", hint="Name the job: evtrack events JOB --batch N.")
        rows = feed(dsn, after=start, follow=follow)
        _print_lines(rows, as_json=as_json)
        return
    with connect(dsn, purpose="events") as conn, translated():
        key = job_reports.job_key(conn, job_id)
        if batch_no:
            batch_row(conn, job_id, batch_no)  # refuses a number that no batch has
        tail = Tail(conn=conn, start=start, job=(key.job_day, job_id), batch_no=batch_no)
        found = events_until_end(conn, tail, job_id) if follow else tail.read()
        if as_json and not follow and after is None:
            _print_array(found)
        else:
            _print_lines(_placed(found, lambda: tail.position), as_json=as_json)


def _placed(rows: Iterator[LogRow], position: Callable[[], LogPosition]) -> Iterator[tuple[LogPosition, LogRow]]:
    for row in rows:
        yield position(), row


def _print_lines(rows: Iterator[tuple[LogPosition, LogRow]], *, as_json: bool) -> None:
    for position, row in rows:
        if as_json:
            print_json({**asdict(row), "position": str(position)})
        else:
            click.echo(event_line(row))


def _print_array(rows: Iterator[LogRow]) -> None:
    # One document, printed as it is read: a long log does not have to fit into memory.
    click.echo("[")
    for number, row in enumerate(rows):
        if number:
            click.echo(",", nl=False)
        print_json(asdict(row))
    click.echo("]")
