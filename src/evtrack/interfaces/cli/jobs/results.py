"""`evtrack results`: what handlers returned, as JSON lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from evtrack.domain.text import json_text, printable_json
from evtrack.interfaces.cli.shared.options import job_argument, with_connection
from evtrack.storage.reports.job_reports import job_key
from evtrack.storage.reports.results import results as read_results

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection


@click.command()
@job_argument
@click.option("--keys", "with_keys", is_flag=True, help="Print objects with ordinal, item_key and result.")
@with_connection("results")
def results(conn: Connection, job_id: int, *, with_keys: bool) -> None:
    """Print the results of JOB as JSON lines.

    There is one line for each completed item whose handler returned a result, in the order of the source. For a job
    that is still running, these are the results so far.

    \b
    evtrack results 7 | jq .mentions
    evtrack results 7 --keys > results.jsonl
    """  # noqa: D301  # \b makes click keep these lines as they are
    job_key(conn, job_id)  # rejects an unknown job
    write = sys.stdout.write
    for row in read_results(conn, job_id):
        result = printable_json(row.result)
        if with_keys:
            key = json_text(row.item_key)
            write(f'{{"ordinal": {row.ordinal}, "item_key": {key}, "result": {result}}}\n')
        else:
            write(f"{result}\n")
