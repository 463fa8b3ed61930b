"""`evtrack submit`: turn files, directories, archives or standard input into a job."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar

import click

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument
from evtrack.domain.policy import Policy
from evtrack.interfaces.cli.processing.job_policy import POLICY_OPTIONS, job_policy
from evtrack.interfaces.cli.shared.exit_codes import interruptible
from evtrack.interfaces.cli.shared.options import job_limit_options, json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.outage_log import OutageLog
from evtrack.interfaces.cli.shared.parameter_types import (
    ATTEMPTS,
    BATCH_NO,
    JOB_ID,
    POSITIVE_COUNT,
    POSITIVE_SECONDS,
    SECONDS,
    FieldNames,
    Integer,
)
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.drawing import stderr_console
from evtrack.interfaces.terminal.progress import ProgressDisplay, submission_state
from evtrack.interfaces.words.formatting import count, counted
from evtrack.runtime.submit.progress import SubmitProgress
from evtrack.runtime.submit.recipe import DEFAULT_BATCH_SIZE, Recipe
from evtrack.runtime.submit.submission import JobSpec, begin, files, recipe, reclaim
from evtrack.runtime.submit.submitter import Submitter
from evtrack.runtime.submit.throttle import MAX_WAIT_S
from evtrack.sources.file_formats import FORMATS
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.patience import Patience

R = TypeVar("R")
OnProgress = Callable[[SubmitProgress], None]

_DEFAULT_WEIGHT: Final = 500
"""The size of a batch that is measured by --weight."""

_DEFAULTS: Final = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRequest:
    """What the options ask to submit, and how.

    Args:
        sources: What to read.
        recipe: How to make batches of it.
        spec: The new job; None without --handler.
        max_pending: How many batches of the handler may be pending before the submitter waits.
        max_wait_s: How long it waits at most.
    """

    sources: Sequence[str]
    recipe: Recipe
    spec: JobSpec | None
    max_rss: int | None
    max_pending: int | None
    max_wait_s: float

    def begin(self, conn: Connection, *, on_progress: OnProgress) -> Submitter:
        """Create the job.

        Args:
            conn: An open connection; the submitter must be its only user.
            on_progress: Called with the submitter's progress.

        Returns:
            The submitter, ready to run.

        Raises:
            BadArgument: There is no source or no handler.
            SourceNotFound: A source does not exist.
        """
        if not self.sources:
            raise BadArgument("No SOURCE given.", hint="Name files or directories, or - for standard input.")
        source = files(list(self.sources), self.recipe)
        return begin(
            conn, source=source, recipe=self.recipe, spec=self.named_spec, on_progress=on_progress, **self._pacing
        )

    def resume(self, conn: Connection, job_id: int, *, on_progress: OnProgress) -> Submitter:
        """Continue a job that was not submitted to its end.

        Args:
            conn: An open connection; the submitter must be its only user.
            on_progress: Called with the submitter's progress.

        Returns:
            The submitter, ready to run.
        """
        return reclaim(conn, job_id, on_progress=on_progress, **self._pacing)

    @property
    def named_spec(self) -> JobSpec:
        """The new job.

        Raises:
            BadArgument: There is no handler.
        """
        if self.spec is None:
            raise BadArgument("No handler given.", hint="Name a handler with --handler.")
        return self.spec

    @property
    def _pacing(self) -> dict[str, Any]:
        patience = Patience(observer=OutageLog("submit"), waits_at_start=True)
        return {"max_pending": self.max_pending, "max_wait_s": self.max_wait_s, "patience": patience}


_OPTIONS = (
    click.argument("sources", nargs=-1, metavar="SOURCE..."),
    click.option("--handler", metavar="NAME", help="Handler that processes the items."),
    click.option("--name", help="Name of the job.  [default: name of the source]"),
    click.option(
        "--priority",
        type=Integer(-32768, 32767),
        default=0,
        show_default=True,
        help="Jobs with a higher priority run first; from -32768 to 32767.",
    ),
    click.option(
        "--key",
        type=FieldNames(),
        help="Fields that form an item's key, joined with a colon; . is the item itself.  "
        "[default: the field id, or FILE:LINE]",
    ),
    click.option(
        "--batch-size", type=Integer(1, BATCH_NO.most), help=f"Items per batch.  [default: {DEFAULT_BATCH_SIZE}]"
    ),
    click.option(
        "--weight",
        type=FieldNames(),
        help="Count the elements of these list fields, not the items, towards the batch size. An item without "
        "such elements counts as one.  "
        f"[default batch size: {_DEFAULT_WEIGHT} elements]",
    ),
    click.option(
        "--mode",
        type=click.Choice(["add", "replace"]),
        default="add",
        show_default=True,
        help="With replace, an item with the same key as the item before it is invalid.",
    ),
    click.option(
        "--format", "format_", type=click.Choice(FORMATS), help="Format of all files.  [default: by file name]"
    ),
    click.option("--max-item-bytes", type=POSITIVE_COUNT, help="Larger items are invalid.  [default: 16 MB]"),
    click.option(
        "--max-batch-bytes",
        type=POSITIVE_COUNT,
        help="Largest size of a batch. Consecutive items with the same key that exceed it are invalid.  "
        "[default: 256 MB]",
    ),
    click.option(
        "--max-pending",
        type=POSITIVE_COUNT,
        help="Wait while the handler has this many pending batches.  [default: no limit]",
    ),
    click.option(
        "--max-wait",
        type=SECONDS,
        default=MAX_WAIT_S,
        help=f"Give up when --max-pending has held the submission back for this long.  [default: {MAX_WAIT_S:g}]",
    ),
    click.option(
        "--max-errors",
        type=ATTEMPTS,
        help=f"Failures after which a batch stays failed.  [default: {_DEFAULTS.max_errors}]",
    ),
    click.option(
        "--max-crashes",
        type=ATTEMPTS,
        help=f"Crashes after which a batch stays crashed.  [default: {_DEFAULTS.max_crashes}]",
    ),
    click.option(
        "--max-losses",
        type=ATTEMPTS,
        help=f"Lost workers that ran only this item, after which it is poison.  [default: {_DEFAULTS.max_losses}]",
    ),
    click.option(
        "--max-alerts",
        type=ATTEMPTS,
        help=f"Alerts per kind and minute; the rest are only counted.  [default: {_DEFAULTS.max_alerts}]",
    ),
    click.option(
        "--backoff",
        type=SECONDS,
        help=f"Delay before the first retry; it doubles each time.  [default: {_DEFAULTS.backoff_s:g}]",
    ),
    click.option(
        "--backoff-max", type=SECONDS, help=f"Longest delay before a retry.  [default: {_DEFAULTS.backoff_max_s:g}]"
    ),
    click.option(
        "--start-within",
        type=POSITIVE_SECONDS,
        help="Alert when a batch does not start within this time although slots are free; above 60, also when no "
        "worker offers its handler.  "
        f"[default: {_DEFAULTS.start_within_s:g}]",
    ),
)
_RECIPE: Final = ("key", "batch_size", "weight", "mode", "max_item_bytes", "max_batch_bytes")


def submission_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of a submission; it gets them as one argument, `request`."""

    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> R:
        values = {
            name: kwargs.pop(name) for name in (*POLICY_OPTIONS, *_RECIPE, "name", "priority", "handler", "format_")
        }
        values["batch_size"] = values["batch_size"] or (_DEFAULT_WEIGHT if values["weight"] else None)
        policy = job_policy(values)
        spec = JobSpec(handler=values["handler"] or "", name=values["name"], priority=values["priority"], policy=policy)
        request = SubmissionRequest(
            sources=kwargs.pop("sources"),
            recipe=recipe(format=values["format_"], **{name: values[name] for name in _RECIPE}),
            spec=None if values["handler"] is None else spec,
            max_rss=values["max_rss"] and values["max_rss"][0],
            max_pending=kwargs.pop("max_pending"),
            max_wait_s=kwargs.pop("max_wait"),
        )
        return function(*args, request=request, **kwargs)

    command = job_limit_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@submission_options
@click.option("--resume", type=JOB_ID, help="Continue an interrupted submission.")
@json_option
@with_connection("submit", writes=True)
def submit(conn: Connection, *, request: SubmissionRequest, resume: int | None, as_json: bool) -> None:
    """Submit SOURCE... as one job and print its number.

    A SOURCE is one of:

    \b
      FILE.jsonl          one item per line
      FILE.json           one item, or an array of items
      FILE.csv            a header row, then one item per row
      FILE.*.gz           one of these, compressed
      FILE.tar, FILE.tgz  an archive of such files
      DIRECTORY           its .json, then .jsonl, then .csv files, sorted by name;
                          hidden files are ignored
      -                   JSON lines on standard input

    With --format lines, each line of text is an item. A row of a CSV file becomes a JSON object.

    An item is any JSON value except null and arrays. The job records invalid items with file and line (in an array, the
    number of the element), and the submission continues. A batch holds items of one file. Consecutive items with the
    same key always share a batch.

    Each chunk is committed together with the position it reached. After a crash, --resume JOB continues from there and
    neither loses nor duplicates an item, as long as the source is unchanged. For standard input, send the same input
    again. A database that is away meanwhile is waited for, for five minutes.

    \b
    evtrack submit corpus.jsonl --handler disease-stats --key sourcedb,sourceid
    zcat pages.jsonl.gz | evtrack submit - --handler annotate --batch-size 20
    evtrack submit --resume 7
    """  # noqa: D301  # \b makes click keep these lines as they are
    if resume is not None and any(source != "-" for source in request.sources):
        raise BadArgument("--resume reads the sources of the job again: do not name a SOURCE.")
    display = ProgressDisplay("submitting", console=stderr_console(), log_name=log_names.SUBMIT_PROGRESS)

    def on_progress(now: SubmitProgress) -> None:
        display.update(submission_state(now))

    with display:
        if resume is None:
            submitter = request.begin(conn, on_progress=on_progress)
        else:
            submitter = request.resume(conn, resume, on_progress=on_progress)
        job = submitter.job_id
        with interruptible(f"Interrupted. Job {job} is still open. Continue with: evtrack submit --resume {job}"):
            done = submitter.run()
    if as_json:
        print_json({name: getattr(done, name) for name in ("job_id", "items", "invalid", "batches", "bytes_read")})
        return
    click.echo(done.job_id)
    items, batches = counted(done.items, "item"), counted(done.batches, "batch", "batches")
    invalid = f", {count(done.invalid)} invalid (see evtrack status {done.job_id})" if done.invalid else ""
    notice(f"Job {done.job_id}: {items} in {batches}{invalid}.")
