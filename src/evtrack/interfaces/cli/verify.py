"""The command that proves the log: replay it, compare, and mend the projection where that is all that is wrong."""

from collections.abc import Iterator
from dataclasses import asdict

import click

from evtrack.domain.difference import Difference
from evtrack.domain.errors import NoSuchJob
from evtrack.domain.text import plain
from evtrack.interfaces.cli.options import connected, print_json
from evtrack.interfaces.terminal.text import count, counted
from evtrack.interfaces.terminal.verify_bar import VerifyProgress, verify_progress
from evtrack.storage import proof
from evtrack.storage.database import Connection
from evtrack.storage.rebuild import Rebuilt, rebuild

_DIFFERENT = 2


@click.command()
@click.argument("job_id", metavar="[JOB]", type=click.IntRange(min=1), required=False)
@click.option("--fix", is_flag=True, help="Make the projection of jobs that differ anew from their log.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a difference, and one with the sums.")
@connected("verify", owner=True)
def verify(conn: Connection, job_id: int | None, *, fix: bool, as_json: bool) -> None:
    """Replay the log and compare: with its digests, with the projection, with the counters.

    Each job is read as one snapshot has it, so workers may be at work. Needs to read the tables: run it as their owner.
    With --fix a job's rows and counters are made anew in one transaction, unless its log itself is damaged: then
    nothing is changed.

    Exits with 2 where there are differences (also after wrong usage), with 0 where there are none, or all were mended.
    """
    with verify_progress() as progress:
        numbers = proof.jobs(conn) if job_id is None else iter([job_id])
        left = 0
        for number in numbers:
            found = _mended(conn, number, progress, as_json) if fix else _told(conn, number, progress, as_json)
            left += found
    if job_id is not None and progress.events == 0 and left == 0:
        raise NoSuchJob(f"There is no job {job_id}, and nothing of one in the log.", hint="evtrack jobs lists them.")
    if as_json:
        print_json({"jobs": progress.jobs, "events": progress.events, "differences": left})
    else:
        said = f"{counted(progress.jobs, 'job')}, {count(progress.events)} events: "
        click.echo(said + (f"{counted(left, 'difference')}." if left else "the log and the projection agree."))
    if left:
        raise click.exceptions.Exit(_DIFFERENT)


def _told(conn: Connection, job_id: int, progress: VerifyProgress, as_json: bool) -> int:  # noqa: FBT001  # the command's flag
    return _print(proof.verify(conn, job_id, told=progress.tell), progress, as_json)


def _mended(conn: Connection, job_id: int, progress: VerifyProgress, as_json: bool) -> int:  # noqa: FBT001  # the command's flag
    # Looked at without a lock first: a whole job is left alone.
    if not any(True for _ in proof.verify(conn, job_id, told=progress.tell)):
        return 0
    done = rebuild(conn, job_id)
    _print(iter(done.found), progress, as_json)
    if as_json:
        print_json({name: value for name, value in asdict(done).items() if name != "found"} | {"damaged": done.damaged})
    else:
        progress.say(_sentence(done))
    return sum(1 for _ in proof.verify(conn, job_id))


def _sentence(done: Rebuilt) -> str:
    if done.damaged:
        return (
            f"job {done.job_id}: nothing was changed, as the log itself is damaged. Restore it from a backup or an "
            "archive; what the digests do not cover cannot be told apart from what was written."
        )
    written = [
        *([counted(done.batches, "batch", "batches")] if done.batches else []),
        *(["the job's row"] if done.job else []),
        *(["the counters"] if done.counters else []),
    ]
    return f"job {done.job_id}: made anew from the log: {', '.join(written) or 'nothing'}."


def _print(found: Iterator[Difference], progress: VerifyProgress, as_json: bool) -> int:  # noqa: FBT001  # the command's flag
    number = 0
    for number, each in enumerate(found, start=1):  # noqa: B007  # how many there were
        if as_json:
            print_json(asdict(each))
        else:
            progress.say(plain(str(each), 2000))
    return number
