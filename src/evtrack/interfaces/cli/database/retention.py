"""Commands of retention: cleanup drops days that are over, archive checks what it wrote and brings it back."""

import os
from dataclasses import asdict
from pathlib import Path

import click

from evtrack.domain.errors import EvtrackError
from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.options import Folder, Span, connected, json_option, print_json
from evtrack.interfaces.terminal.progress.cleanup_bar import cleanup_progress
from evtrack.interfaces.terminal.reports.cleanup_report import day_line, kept_line, plan_lines, summary
from evtrack.interfaces.terminal.text import counted
from evtrack.runtime.retention.archive_check import check_archive, find_archives
from evtrack.runtime.retention.cleanup import Cleanup
from evtrack.runtime.retention.cleanup_result import DroppedDay, KeptDay
from evtrack.runtime.retention.restore import Restore
from evtrack.storage.connection.connect import Connection

_DIFFERS = 2
_NICE = 10


@click.command()
@click.option(
    "--older-than", "older_than_s", type=Span(), required=True, help="Only jobs that ended so long ago: 12h, 7d, 90d."
)
@click.option(
    "--archive",
    "folder",
    type=Folder(),
    help="Write each day's log into this folder first, and read it back.",
)
@click.option("--with-payload", is_flag=True, help="Archive the items and results too, not only the log.")
@click.option("--dry-run", is_flag=True, help="Only say what would go, and which job pins a day.")
@json_option
@connected("cleanup", owner=True)
def cleanup(
    conn: Connection,
    *,
    older_than_s: float,
    folder: Path | None,
    with_payload: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Drop whole days of the log all of whose jobs ended long ago.

    A job that is not over, or ended later, keeps its whole day, however old. A line about each dropped job stays:
    `evtrack status JOB` shows it. Safe beside running workers; killed at any point, the next run goes on.

    Exit codes: 0 done, or nothing to do; 1 a day that should have gone is still there, and why is said.

    \b
    evtrack cleanup --older-than 7d --dry-run
    evtrack cleanup --older-than 7d --archive /srv/evtrack-archive
    """  # noqa: D301  # click's mark for lines that are to stay as they are
    if with_payload and folder is None:
        raise click.UsageError("--with-payload says what is archived: name a folder with --archive.")
    if dry_run:
        going, staying = Cleanup(conn=conn, older_than_s=older_than_s).plan()
        if as_json:
            rows = {"would_drop": [asdict(day) for day in going], "kept": [asdict(day) for day in staying]}
            print_json({"dry_run": True, **rows})
        else:
            for line in plan_lines(going, staying):
                click.echo(line)
        return
    # Workers on this machine go first; the server sends no faster than this process takes.
    os.nice(_NICE)
    dropped: list[DroppedDay] = []
    kept: list[KeptDay] = []
    with cleanup_progress() as told:
        run = Cleanup(conn=conn, older_than_s=older_than_s, archive=folder, with_payload=with_payload, told=told).run()
        for day in run:
            if isinstance(day, DroppedDay):
                dropped.append(day)
            else:
                kept.append(day)
            if not as_json:
                click.echo(day_line(day) if isinstance(day, DroppedDay) else kept_line(day))
    if as_json:
        lists = {"dropped": [asdict(day) for day in dropped], "kept": [asdict(day) for day in kept]}
        print_json({"dry_run": False, **lists})
    else:
        click.echo(summary(dropped, kept))
    faults = [day for day in kept if day.needs_action]
    if faults:
        raise EvtrackError(
            f"{counted(len(faults), 'day')} should have gone: {'; '.join(f'{f.day}: {f.reason}' for f in faults)}.",
            hint="What is in use, the next run may find free; what differs, `evtrack verify JOB` explains.",
        )


@click.group()
def archive() -> None:
    """Check what cleanup archived, and bring it back."""


@archive.command()
@click.argument("folder", metavar="DIR", type=Folder())
@json_option
@click.pass_context
def verify(ctx: click.Context, folder: Path, *, as_json: bool) -> None:
    """Read archives whole and hold them against their manifests; needs no database.

    DIR is the folder that `cleanup --archive` wrote to, or one day in it. Exit code 2 if anything differs.
    """
    found = [(path, *check_archive(path)) for path in find_archives(folder)]
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
                click.echo(f"{path}: good, {counted(len(manifest.jobs), 'job')}, {events}")
            else:
                click.echo(f"{path}: differs")
                for difference in differences:
                    click.echo(f"  {printable(difference)}")
    if any(differences for _, _, differences in found):
        ctx.exit(_DIFFERS)


@archive.command()
@click.argument("folder", metavar="DIR", type=Folder())
@click.option("--job", "job_ids", type=int, multiple=True, help="Only this job; may be repeated.")
@json_option
@connected("archive restore", owner=True)
def restore(conn: Connection, folder: Path, *, job_ids: tuple[int, ...], as_json: bool) -> None:
    """Bring archived jobs back, with every event as it was, into this database or a new one.

    The archives are checked first. A job keeps its number: where one belongs to another job, nothing is restored. Each
    job comes back whole or not at all; killed, the same command goes on. The next cleanup drops it again.
    """
    done = []
    for job in Restore(conn=conn, directory=folder, job_ids=job_ids or None).run():
        done.append(job)
        if not as_json:
            what = "was there already, the same" if job.was_there else f"is back, {counted(job.events, 'event')}"
            click.echo(f"{job.day}: job {job.job_id} {what}")
    if as_json:
        print_json([asdict(job) for job in done])
    else:
        click.echo(f"Restored {counted(sum(not job.was_there for job in done), 'job')}.")
