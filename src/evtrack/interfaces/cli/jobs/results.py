"""`evtrack results`: what handlers returned, as JSON lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from evtrack.domain.text import json_text, printable_json
from evtrack.interfaces.cli.shared.options import connected
from evtrack.storage.reports.job_reports import job_key
from evtrack.storage.reports.results import results as read_results

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection


@click.command()
@click.argument("job_id", metavar="JOB", type=int)
@click.option("--keys", "with_keys", is_flag=True, help="Write objects with ordinal, item_key and result.")
@connected("results")
def results(conn: Connection, job_id: int, *, with_keys: bool) -> None:
    """Print what the handler of JOB returned: a JSON line for each item where it returned something.

    The lines come in the order of the source, as far as the job has come.

    \b
    evtrack results 7 | jq .mentions
    evtrack results 7 --keys > results.jsonl
    """  # noqa: D301  # click's mark for lines that are to stay as they are
    job_key(conn, job_id)  # refuses a number that no job has
    write = sys.stdout.write
    for row in read_results(conn, job_id):
        result = printable_json(row.result)
        if with_keys:
            key = json_text(row.item_key)
            write(f'{{"ordinal": {row.ordinal}, "item_key": {key}, "result": {result}}}\n')
        else:
            write(f"{result}\n")
