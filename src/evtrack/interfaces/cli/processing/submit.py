"""`evtrack submit`: make a job of files, folders, archives or standard input."""

import click

from evtrack.domain.column_limits import BIGINT_MAX
from evtrack.domain.errors import BadArgument
from evtrack.interfaces.cli.processing.submission_options import Wish, submission_options
from evtrack.interfaces.cli.shared.exit_codes import endings
from evtrack.interfaces.cli.shared.options import connected, json_option, print_json
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.progress.submit_bar import submit_progress
from evtrack.interfaces.terminal.text import count, counted
from evtrack.storage.connection.connect import Connection


@click.command()
@submission_options
@click.option(
    "--resume", type=click.IntRange(1, BIGINT_MAX), metavar="JOB", help="Go on with a submission that ended too early."
)
@json_option
@connected("submit")
def submit(conn: Connection, *, wish: Wish, resume: int | None, as_json: bool) -> None:
    """Submit SOURCE... as one job and print its number.

    A SOURCE is a .jsonl file (an item a line), a .json file (an item, or an array of items), .csv with a header row
    (an object a row), each also as .gz; a .tgz or .tar of them; a folder: all .json first, then .jsonl, then .csv,
    sorted by name, hidden files left out; or - for JSON lines on standard input. --format lines takes each line of
    text for an item.

    An item is any JSON value but null and, in files, an array. Invalid items are noted with file and line, in an array
    with the number of the element, and the rest goes on. A batch holds items of one file; items of the same key in a
    row are never in two batches.

    Each chunk is committed with the position that it reached: after a crash, --resume JOB goes on from there, no item
    twice and none missing, as long as the source is the same. For standard input give the same input again.

    \b
    evtrack submit corpus.jsonl --handler disease-stats --key sourcedb,sourceid
    zcat pages.jsonl.gz | evtrack submit - --handler annotate --batch-size 20
    evtrack submit --resume 7
    """  # noqa: D301  # click's mark for lines that are to stay as they are
    if resume is not None and any(source != "-" for source in wish.sources):
        raise BadArgument("--resume goes on with the sources of the job: name no SOURCE beside it")
    with submit_progress() as told:
        submitter = wish.begin(conn, told=told) if resume is None else wish.go_on(conn, resume, told=told)
        job = submitter.job_id
        with endings(f"Interrupted. Job {job} is open still; go on with: evtrack submit --resume {job}"):
            done = submitter.run()
    if as_json:
        print_json(
            {
                "job_id": done.job_id,
                "items": done.items,
                "invalid": done.invalid,
                "batches": done.batches,
                "bytes_read": done.bytes_read,
            }
        )
        return
    click.echo(done.job_id)
    items, batches = counted(done.items, "item"), counted(done.batches, "batch", "batches")
    invalid = f", {count(done.invalid)} invalid (evtrack status {done.job_id} tells why)" if done.invalid else ""
    notice(f"Job {done.job_id}: {items} in {batches}{invalid}.")
