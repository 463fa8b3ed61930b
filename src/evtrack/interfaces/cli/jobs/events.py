"""`evtrack events`: the log in commit order, of one job or of all, once or continuously."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import click

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import printable
from evtrack.interfaces.cli.jobs.progress import has_ended
from evtrack.interfaces.cli.shared.options import optional_job_argument, print_json, with_dsn
from evtrack.interfaces.cli.shared.outage_log import OutageLog
from evtrack.interfaces.cli.shared.parameter_types import BATCH_NO, Integer
from evtrack.interfaces.words.formatting import moment_ms
from evtrack.storage.connection.patience import Patience, PatientReader
from evtrack.storage.log.feed import feed
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.position import LogPosition
from evtrack.storage.reports.batch_reports import batch_row
from evtrack.storage.reports.job_reports import job_key, job_progress

_DATA_LIMIT: Final = 160
"""The most characters of an event's data on a line; --json prints all."""


@click.command()
@optional_job_argument
@click.option(
    "--batch",
    "batch_no",
    type=Integer(0, BATCH_NO.most, "BATCH"),
    help="Only this batch; 0 is the stream of the job itself.",
)
@click.option("--after", metavar="POSITION", help="Start after this position, from a line that --json printed.")
@click.option("--follow", is_flag=True, help="Continue with new events until JOB has ended; without JOB, forever.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document; with --follow, --after or without JOB, one line per event.",
)
@with_dsn()
def events(
    dsn: str, job_id: int | None, *, batch_no: int | None, after: str | None, follow: bool, as_json: bool
) -> None:
    """Print events in commit order.

    Without JOB, print the events of all jobs.

    Each JSON line has the position after its event. To process each event exactly once, store the position together
    with the result, and restart with --after. A position is not valid in another database, such as a restored one.

    With --follow, a database that is away is waited for, for five minutes. After a failover or restore that lost
    events which were read before, the command exits with 6: read the log again from the beginning.
    """
    start = None if after is None else LogPosition.parse(after)
    # The database has answered when its schema was checked.
    patience = Patience(observer=OutageLog("events"), waits_at_start=follow)
    if job_id is None:
        if batch_no is not None:
            raise BadArgument("--batch needs a JOB.", hint=f"Name the job: evtrack events JOB --batch {batch_no}.")
        _print_lines(feed(dsn, after=start, follow=follow, patience=patience), as_json=as_json)
        return
    with PatientReader(dsn, purpose="events", patience=patience) as reader:
        key = reader.read(lambda conn: job_key(conn, job_id))
        if batch_no:
            reader.read(lambda conn: batch_row(conn, job_id, batch_no))  # rejects an unknown batch
    rows = feed(
        dsn,
        after=start,
        job=(key.job_day, job_id),
        batch_no=batch_no,
        follow=follow,
        has_ended=lambda conn: has_ended(job_progress(conn, job_id)),
        patience=patience,
    )
    if as_json and not follow and after is None:
        _print_array(row for _, row in rows)
    else:
        _print_lines(rows, as_json=as_json)


def event_line(row: LogRow) -> str:
    """Write an event on one line.

    Args:
        row: The event.

    Returns:
        Its time, stream, version, type, attempt, worker, and the beginning of its data.
    """
    stream = f"batch {row.batch_no}" if row.batch_no else "job"
    by = f" by worker {row.worker_id}" if row.worker_id is not None else ""
    attempt = f" (attempt {row.attempt})" if row.attempt else ""
    data = printable(" ".join(f"{key}={_value(value)}" for key, value in row.data.items()), _DATA_LIMIT)
    return f"{moment_ms(row.at)}  {stream:<10} v{row.version:<3} {row.type}{attempt}{by}  {data}".rstrip()


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print_lines(rows: Iterator[tuple[LogPosition, LogRow]], *, as_json: bool) -> None:
    for position, row in rows:
        if as_json:
            print_json({**asdict(row), "position": str(position)})
        else:
            click.echo(event_line(row))


def _print_array(rows: Iterator[LogRow]) -> None:
    # One document, printed while it is read: a long log may not fit into memory.
    click.echo("[")
    for number, row in enumerate(rows):
        if number:
            click.echo(",", nl=False)
        print_json(asdict(row))
    click.echo("]")
