"""`evtrack history`: how a job's items changed over time, as a table or a chart."""

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from evtrack.interfaces.cli.shared.options import job_argument, json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import OutputFile
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.drawing import show
from evtrack.interfaces.terminal.reports.timeline import timeline_svg, timeline_table
from evtrack.interfaces.words.formatting import counted
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.history import job_timeline

_STDOUT: Final = Path("-")


@click.command()
@job_argument
@click.option("--svg", type=OutputFile(), help="Write a chart to this file; - is standard output.")
@json_option
@with_connection("history")
def history(conn: Connection, job_id: int, *, svg: Path | None, as_json: bool) -> None:
    """Show how the status of a job's items changed over time."""
    if as_json and svg == _STDOUT:
        raise click.UsageError("--json and --svg - both write to standard output; use one, or give --svg a file.")
    timeline = job_timeline(conn, job_id)
    if as_json:
        print_json([asdict(each) for each in timeline])
    elif not timeline:
        # With --svg -, stdout is for the chart alone.
        (notice if svg == _STDOUT else click.echo)(f"Job {job_id} has no items yet.")
    elif svg is None:
        show(timeline_table(timeline))
    if svg is not None and timeline:
        _write(timeline_svg(timeline, title=f"evtrack job {job_id}"), svg)
        target = "standard output" if svg == _STDOUT else svg
        notice(f"Wrote the chart of job {job_id} ({counted(len(timeline), 'point')}) to {target}.")


def _write(chart: str, svg: Path) -> None:
    if svg == _STDOUT:
        click.echo(chart, nl=False)
        return
    try:
        svg.write_text(chart, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(svg), error.strerror) from error
