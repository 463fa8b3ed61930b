"""Commands that look back: the course of a job, and where it stood at a time."""

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from evtrack.domain.text import quoted
from evtrack.interfaces.cli.shared.options import connected, print_json
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.drawing import show
from evtrack.interfaces.terminal.reports.timeline import course_svg, course_table
from evtrack.interfaces.terminal.text import counted, moment
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports import history as past

_STDOUT: Final = Path("-")


class Time(click.ParamType[datetime]):
    """A time: 2025-10-06 08:29:03+00; without an offset it is UTC."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Turn the text into a time."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{quoted(value)} is no time; write it like 2025-10-06 08:29:03+00.", param, ctx)
        try:
            return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
        except OverflowError:
            self.fail(
                f"{quoted(value)} is beyond the calendar; write a time from 0001-01-01 00:00:00+00 to "
                "9999-12-31 23:59:59+00.",
                param,
                ctx,
            )


def show_at(conn: Connection, job_id: int, as_of: datetime, *, as_json: bool) -> None:
    """Print where a job stood at a time.

    Args:
        conn: An open connection.
        job_id: The job.
        as_of: The time.
        as_json: Whether as a JSON document.
    """
    then = past.job_progress_at(conn, job_id, as_of)
    if as_json:
        print_json(asdict(then))
        return
    share = "-" if then.percent is None else f"{then.percent:.1f} %"
    click.echo(f"job {job_id} at {moment(as_of)}: {then.phase}{', suspended' if then.suspended else ''}, {share}")
    click.echo(
        f"  items    {then.total:,}: {then.done:,} done, {then.failed:,} failed, {then.crashed:,} crashed, "
        f"{then.cancelled:,} cancelled, {then.invalid:,} invalid, {then.running:,} running, {then.pending:,} pending"
    )
    click.echo(
        f"  batches  {then.batches:,}: {then.batches_completed:,} completed, {then.batches_failed:,} failed, "
        f"{then.batches_crashed:,} crashed, {then.batches_split:,} split, {then.batches_cancelled:,} cancelled, "
        f"{then.batches_running:,} running, {then.batches_pending:,} pending"
    )


class _Chart(click.Path):
    """A file to write a chart to, or - for stdout."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn the text into a path."""
        if not os.fspath(value):
            self.fail("the name of the file is empty; write - for standard output.", param, ctx)
        return super().convert(value, param, ctx)


@click.command()
@click.argument("job_id", metavar="JOB", type=click.IntRange(min=1))
@click.option("--svg", type=_Chart(), help="Write a chart here, - for standard output.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@connected("history")
def history(conn: Connection, job_id: int, *, svg: Path | None, as_json: bool) -> None:
    """Draw how a job's items went through their statuses over time."""
    if as_json and svg == _STDOUT:
        raise click.UsageError("--json and --svg - both write to standard output: give one, or name a file.")
    course = past.job_timeline(conn, job_id)
    if as_json:
        print_json([asdict(each) for each in course])
    elif not course:
        # stdout is for the chart alone where it was asked for there.
        (notice if svg == _STDOUT else click.echo)(f"Job {job_id} has no items yet.")
    elif svg is None:
        show(course_table(course))
    if svg is not None and course:
        _write(course_svg(course, title=f"evtrack job {job_id}"), svg)
        place = "Standard output" if svg == _STDOUT else svg
        notice(f"{place}: {counted(len(course), 'moment')} of job {job_id}.")


def _write(chart: str, svg: Path) -> None:
    if svg == _STDOUT:
        click.echo(chart, nl=False)
        return
    try:
        svg.write_text(chart, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(svg), error.strerror) from error
