"""`evtrack archive`: verify what cleanup archived, and restore it."""

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.options import json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import Directory
from evtrack.interfaces.words.formatting import counted
from evtrack.runtime.retention.archive_check import check_archive, find_archives
from evtrack.runtime.retention.restore import Restore
from evtrack.storage.connection.connect import Connection

_DIFFERENT: Final = 2

_directory_argument = click.argument("directory", metavar="DIR", type=Directory())


@click.group()
def archive() -> None:
    """Verify and restore archives that cleanup wrote."""


@archive.command()
@_directory_argument
@json_option
@click.pass_context
def verify(ctx: click.Context, directory: Path, *, as_json: bool) -> None:
    """Compare archives with their manifests.

    DIR is the directory that `cleanup --archive` wrote to, or one day in it. Reads every file completely, and needs no
    database.

    Exit codes: 0 all archives match; 2 something differs.
    """
    found = [(path, *check_archive(path)) for path in find_archives(directory)]
    if as_json:
        print_json(
            [
                {
                    "archive": str(path),
                    "day": manifest and manifest.day,
                    "jobs": manifest and len(manifest.jobs),
                    "events": manifest and sum(job.events for job in manifest.jobs),
                    "differences": differences,
                }
                for path, manifest, differences in found
            ]
        )
    else:
        for path, manifest, differences in found:
            if manifest is not None and not differences:
                events = counted(sum(job.events for job in manifest.jobs), "event")
                click.echo(f"{path}: ok, {counted(len(manifest.jobs), 'job')}, {events}")
            else:
                click.echo(f"{path}: differs")
                for difference in differences:
                    click.echo(f"  {printable(difference)}")
    if any(differences for _, _, differences in found):
        ctx.exit(_DIFFERENT)


@archive.command()
@_directory_argument
@click.option("--job", "job_ids", type=int, multiple=True, help="Restore only this job; repeatable.")
@json_option
@with_connection("archive restore", owner=True)
def restore(conn: Connection, directory: Path, *, job_ids: tuple[int, ...], as_json: bool) -> None:
    """Restore archived jobs with all their events.

    The jobs may come from this database or from another one. The archives are verified first. Jobs keep their numbers:
    if another job has one of them, nothing is restored. Each job is restored completely or not at all. If the command
    is killed, run it again to continue. The next cleanup drops the jobs again.
    """
    done = []
    for job in Restore(conn=conn, directory=directory, job_ids=job_ids or None).run():
        done.append(job)
        if not as_json:
            result = "already present and identical" if job.was_there else f"restored, {counted(job.events, 'event')}"
            click.echo(f"{job.day}: job {job.job_id} {result}")
    if as_json:
        print_json([asdict(job) for job in done])
    else:
        click.echo(f"Restored {counted(sum(not job.was_there for job in done), 'job')}.")
