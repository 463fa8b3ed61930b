"""`evtrack memory`: how much memory the batches of a job take, and how many slots fit."""

from dataclasses import asdict

import click

from evtrack.interfaces.cli.shared.options import job_argument, json_option, print_json, with_connection
from evtrack.interfaces.terminal import drawing
from evtrack.interfaces.terminal.reports.memory import memory_report
from evtrack.runtime.worker.slots.container_memory import fitting
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.job_reports import job_key
from evtrack.storage.reports.memory_reports import job_memory


@click.command()
@job_argument
@json_option
@with_connection("memory")
def memory(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Show how much memory and CPU time the batches of JOB took, and what would fit on this machine.

    Measured are completed batches that ran at least 10 ms. The report suggests a limit for --max-rss and a number for
    --slots.
    """
    job_key(conn, job_id)
    found = job_memory(conn, job_id)
    fit = None if found is None else fitting(found.max_bytes, found.min_bytes or 0, killed_bytes=found.killed_max_bytes)
    if as_json:
        print_json({"job_id": job_id} | (asdict(found) if found else {}) | {"fit": fit._asdict() if fit else None})
    elif found is None:
        click.echo(f"Job {job_id}: no batch ran for 10 ms or more, so none was measured.")
    else:
        drawing.show(memory_report(found, fit))
