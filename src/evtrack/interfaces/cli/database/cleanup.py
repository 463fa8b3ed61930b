"""`evtrack cleanup`: drop whole days of the log whose jobs all ended long ago."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.options import json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import Directory, TimeWindow
from evtrack.interfaces.terminal.drawing import stderr_console
from evtrack.interfaces.terminal.progress import ProgressDisplay, cleanup_state
from evtrack.interfaces.words.formatting import bytes_of, counted
from evtrack.runtime.retention.cleanup import Cleanup, Step
from evtrack.runtime.retention.cleanup_result import DroppedDay, KeptDay
from evtrack.storage.connection.connect import Connection
from evtrack.storage.retention.cleanup import Day

_NICE: Final = 10


@click.command()
@click.option(
    "--older-than",
    "older_than_s",
    type=TimeWindow(),
    required=True,
    help="Drop only jobs that ended longer ago than this: 12h, 7d, 90d.",
)
@click.option(
    "--archive",
    "directory",
    type=Directory(),
    help="Write each day's log to this directory first, and verify it there.",
)
@click.option("--with-payload", is_flag=True, help="Archive items and results too, not only the log.")
@click.option("--dry-run", is_flag=True, help="Only report what would be dropped, and which jobs pin a day.")
@json_option
@with_connection("cleanup", owner=True)
def cleanup(
    conn: Connection,
    *,
    older_than_s: float,
    directory: Path | None,
    with_payload: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Drop old days of the log.

    A day is dropped only if all its jobs ended longer ago than --older-than. A job that is still active or ended later
    keeps its whole day. A summary of each dropped job remains: see `evtrack status JOB`. Workers can keep running. If
    cleanup is killed, the next one continues.

    Exit codes: 0 done, or nothing to do; 1 a day that should have been dropped was not, and the error gives the reason.

    \b
    evtrack cleanup --older-than 7d --dry-run
    evtrack cleanup --older-than 7d --archive /srv/evtrack-archive
    """  # noqa: D301  # \b makes click keep these lines as they are
    if with_payload and directory is None:
        raise click.UsageError("--with-payload needs --archive.")
    if dry_run:
        would_drop, would_keep = Cleanup(conn=conn, older_than_s=older_than_s).plan()
        if as_json:
            rows = {"would_drop": [asdict(day) for day in would_drop], "kept": [asdict(day) for day in would_keep]}
            print_json({"dry_run": True, **rows})
        else:
            for line in _plan_lines(would_drop, would_keep):
                click.echo(line)
        return
    dropped, kept = _clean_up(conn, older_than_s, directory, with_payload=with_payload, prints=not as_json)
    if as_json:
        lists = {"dropped": [asdict(day) for day in dropped], "kept": [asdict(day) for day in kept]}
        print_json({"dry_run": False, **lists})
    else:
        click.echo(_summary(dropped, kept))
    faults = [day for day in kept if day.needs_action]
    if faults:
        raise EvtrackError(
            f"{counted(len(faults), 'day')} should have been dropped: "
            f"{'; '.join(f'{day.day}: {day.reason}' for day in faults)}.",
            hint="If a day was in use, run cleanup again. If a log differs, run `evtrack verify JOB`.",
        )


def _clean_up(
    conn: Connection, older_than_s: float, directory: Path | None, *, with_payload: bool, prints: bool
) -> tuple[list[DroppedDay], list[KeptDay]]:
    # Workers on this machine have priority, and the server sends no faster than this process reads.
    os.nice(_NICE)
    display = ProgressDisplay("looking for old days", console=stderr_console(), log_name=log_names.CLEANUP_PROGRESS)

    def on_progress(day: Day, step: Step, done: int) -> None:
        display.update(cleanup_state(day, step, done))

    dropped: list[DroppedDay] = []
    kept: list[KeptDay] = []
    run = Cleanup(
        conn=conn, older_than_s=older_than_s, archive=directory, with_payload=with_payload, on_progress=on_progress
    ).run()
    with display:
        for day in run:
            if isinstance(day, DroppedDay):
                dropped.append(day)
            else:
                kept.append(day)
            if prints:
                display.print(_dropped_line(day) if isinstance(day, DroppedDay) else _kept_line(day))
    return dropped, kept


def _plan_lines(would_drop: Sequence[Day], would_keep: Sequence[KeptDay]) -> Iterator[str]:
    lines = {day.job_day: f"{day.job_day}: would be dropped, {_contents([day])}" for day in would_drop}
    lines |= {kept.day: _kept_line(kept) for kept in would_keep}
    yield from (lines[day] for day in sorted(lines))
    rest = f"{counted(len(would_keep), 'older day')} kept"
    if would_drop:
        yield f"Would drop {counted(len(would_drop), 'day')}: {_contents(would_drop)}; {rest}."
    else:
        yield f"Nothing to drop; {rest}."


def _dropped_line(day: DroppedDay) -> str:
    to = f", archived to {printable(day.archive)}" if day.archive else ""
    return f"{day.day}: dropped, {_contents([day])}{to}"


def _kept_line(day: KeptDay) -> str:
    return f"{day.day}: kept, {printable(day.reason)}"


def _summary(dropped: Sequence[DroppedDay], kept: Sequence[KeptDay]) -> str:
    rest = f"{counted(len(kept), 'older day')} kept"
    if not dropped:
        return f"Nothing to drop; {rest}."
    return f"Dropped {counted(len(dropped), 'day')}: {_contents(dropped)}; {rest}."


def _contents(days: Sequence[Day] | Sequence[DroppedDay]) -> str:
    parts = (
        counted(sum(day.jobs for day in days), "job"),
        counted(sum(day.batches for day in days), "batch", "batches"),
        counted(sum(day.events or 0 for day in days), "event"),
        bytes_of(sum(day.bytes for day in days)),
    )
    return ", ".join(parts)
