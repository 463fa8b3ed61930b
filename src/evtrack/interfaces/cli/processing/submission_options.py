"""The options that say what to submit and how; `submit` and `run` share them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from evtrack.domain.column_limits import BIGINT_MAX
from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted
from evtrack.interfaces.cli.shared.number_types import MOST_ATTEMPTS, SECONDS, SOME_SECONDS
from evtrack.interfaces.cli.shared.options import BATCH_NO, MEMORY
from evtrack.runtime.submit.progress import SubmitProgress
from evtrack.runtime.submit.recipe import DEFAULT_BATCH_SIZE, Recipe
from evtrack.runtime.submit.submission import JobSpec, begin, files, recipe, reclaim
from evtrack.runtime.submit.submitter import Submitter
from evtrack.runtime.submit.throttle import MAX_WAIT_S
from evtrack.sources.file_formats import FORMATS
from evtrack.storage.connection.connect import Connection

R = TypeVar("R")
Told = Callable[[SubmitProgress], None]

# The origin's: annotations, not documents, are counted.
_DEFAULT_WEIGHT = 500


class _Fields(click.ParamType[tuple[str, ...]]):
    name = "FIELD[,FIELD...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        fields = tuple(field.strip() for field in value.split(","))
        if not all(fields):
            self.fail(f"{quoted(value)} names a field without a name", param, ctx)
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Hold what the user wants submitted.

    Args:
        sources: What to read.
        recipe: How it becomes batches.
        spec: What the job is; None when a job is taken up again.
        max_pending: How many batches of the handler may be pending before the submitter waits.
        max_wait_s: For how long it waits at a time.
    """

    sources: Sequence[str]
    recipe: Recipe
    spec: JobSpec | None
    max_pending: int | None
    max_wait_s: float

    def begin(self, conn: Connection, *, told: Told) -> Submitter:
        """Open the job.

        Args:
            conn: An open connection, which nothing else may use meanwhile.
            told: Is told how far the submission is.

        Returns:
            The submitter, ready to run.

        Raises:
            BadArgument: No source or no handler is named.
            SourceNotFound: A source is not there.
        """
        if not self.sources:
            raise BadArgument("no SOURCE is named", hint="Name files or folders, or - for standard input.")
        if self.spec is None:
            raise BadArgument("no handler is named", hint="Say who shall work on the items: --handler NAME.")
        source = files(list(self.sources), self.recipe)
        return begin(conn, source=source, recipe=self.recipe, spec=self.spec, told=told, **self._waiting)

    def go_on(self, conn: Connection, job_id: int, *, told: Told) -> Submitter:
        """Take up a job again.

        Args:
            conn: An open connection, which nothing else may use meanwhile.
            job_id: The job.
            told: Is told how far the submission is.

        Returns:
            The submitter, ready to run.
        """
        return reclaim(conn, job_id, told=told, **self._waiting)

    @property
    def _waiting(self) -> dict[str, Any]:
        return {"max_pending": self.max_pending, "max_wait_s": self.max_wait_s}


_OPTIONS = (
    click.argument("sources", nargs=-1, metavar="SOURCE..."),
    click.option("--handler", metavar="NAME", help="Who shall work on the items."),
    click.option("--name", help="What people call the job; else the source's name."),
    click.option("--priority", type=click.IntRange(-32768, 32767), default=0, help="Higher goes first; 0 by default."),
    click.option(
        "--key",
        type=_Fields(),
        help="Fields that make an item's key, joined with a colon; . is the item itself. "
        "Else the field id, else FILE:LINE.",
    ),
    click.option(
        "--batch-size", type=click.IntRange(1, BATCH_NO.max), help=f"Items in a batch [{DEFAULT_BATCH_SIZE}]."
    ),
    click.option("--weight", type=_Fields(), help="Count these lists' elements, not items [500 a batch]."),
    click.option(
        "--mode",
        type=click.Choice(["add", "replace"]),
        default="add",
        help="replace refuses an item with the key of the one before it.",
    ),
    click.option("--format", "format_", type=click.Choice(FORMATS), help="Read every file so, whatever its name."),
    click.option("--max-item-bytes", type=click.IntRange(1, BIGINT_MAX), help="A larger item is invalid [16 MB]."),
    click.option(
        "--max-batch-bytes", type=click.IntRange(1, BIGINT_MAX), help="A longer run of one key is invalid [256 MB]."
    ),
    click.option(
        "--max-pending", type=click.IntRange(1, BIGINT_MAX), help="Wait while so many of its batches are pending."
    ),
    click.option("--max-wait", type=SECONDS, default=MAX_WAIT_S, help="For how many seconds to wait at a time [300]."),
    click.option(
        "--max-errors", type=click.IntRange(0, MOST_ATTEMPTS), help="Attempts that may end in an exception [3]."
    ),
    click.option(
        "--max-crashes", type=click.IntRange(0, MOST_ATTEMPTS), help="Attempts that may end with a dead process [2]."
    ),
    click.option(
        "--max-losses", type=click.IntRange(0, MOST_ATTEMPTS), help="Attempts that may end with a lost worker [5]."
    ),
    click.option(
        "--max-alerts", type=click.IntRange(0, MOST_ATTEMPTS), help="Alerts of a kind told one by one in a minute [60]."
    ),
    click.option("--backoff", type=SECONDS, help="Seconds before the first retry, then doubled [1]."),
    click.option("--backoff-max", type=SECONDS, help="The longest of these waits, in seconds [300]."),
    click.option(
        "--start-within",
        type=SOME_SECONDS,
        help="Seconds after which a batch that did not start although slots were free is a fault [60].",
    ),
    click.option("--timeout", type=SOME_SECONDS, help="Most seconds for a batch."),
    click.option("--stall", type=SOME_SECONDS, help="Most seconds without a sign of life."),
    click.option("--max-rss", type=MEMORY, help="Most memory of a slot [no limit]."),
)
_POLICY = {
    "max_errors": "max_errors",
    "max_crashes": "max_crashes",
    "max_losses": "max_losses",
    "max_alerts": "max_alerts",
    "backoff": "backoff_s",
    "backoff_max": "backoff_max_s",
    "start_within": "start_within_s",
    "timeout": "timeout_s",
    "stall": "stall_s",
    "max_rss": "max_rss_bytes",
}
_RECIPE = ("key", "batch_size", "weight", "mode", "max_item_bytes", "max_batch_bytes")


def submission_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of a submission; it gets them as one argument, `wish`.

    Args:
        function: The command.
    """

    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> R:
        values = {name: kwargs.pop(name) for name in (*_POLICY, *_RECIPE, "name", "priority", "handler", "format_")}
        if values["weight"] and not values["batch_size"]:
            values["batch_size"] = _DEFAULT_WEIGHT
        policy = {key: values[option] for option, key in _POLICY.items() if values[option] is not None}
        spec = JobSpec(handler=values["handler"] or "", name=values["name"], priority=values["priority"], policy=policy)
        wish = Wish(
            sources=kwargs.pop("sources"),
            recipe=recipe(format=values["format_"], **{name: values[name] for name in _RECIPE}),
            spec=None if values["handler"] is None else spec,
            max_pending=kwargs.pop("max_pending"),
            max_wait_s=kwargs.pop("max_wait"),
        )
        return function(*args, wish=wish, **kwargs)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
