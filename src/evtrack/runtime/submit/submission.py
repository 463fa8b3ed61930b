"""Starts a submission, or resumes one."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from evtrack.domain.errors import BadArgument, EvtrackError, SourceChanged, SubmissionLost
from evtrack.domain.text import quoted
from evtrack.runtime.submit.recipe import MAX_BATCH_BYTES, Recipe
from evtrack.runtime.submit.submitter import Submitter
from evtrack.runtime.submit.throttle import MAX_WAIT_S, check_waiting
from evtrack.runtime.submit.trace import traced
from evtrack.sources.file_source import FileSource, reopen
from evtrack.sources.item_reader import ItemReader
from evtrack.sources.parts import Part
from evtrack.storage.connection.connect import Connection
from evtrack.storage.submission.open_job import OpenJob, create_job, lock_submission, reclaim_job, unlock_submission

# After kill -9 the server takes a moment to notice that the submitter is gone.
_RECLAIM_FOR_S = 5.0
_RECLAIM_EVERY_S = 0.1

_HINTS = {
    "max_batch_bytes": f"PostgreSQL limits the size of a value, and a batch is one value: at most {MAX_BATCH_BYTES}."
}


class NamedSource(Protocol):
    """A source that can become a job."""

    @property
    def name(self) -> str:
        """A short name to display."""
        ...

    @property
    def bytes_total(self) -> int | None:
        """Its size in bytes, if known."""
        ...

    def describe(self) -> list[dict[str, Any]]:
        """Return what the job stores to find the source again."""
        ...

    def parts(self, *, head: str | None = None) -> Iterator[Part]:
        """Yield its files."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """The attributes of a job, apart from its items.

    Args:
        handler: The handler that processes the items.
        name: The job's name; defaults to the source's name.
        priority: Jobs with a higher priority run first.
        policy: Budgets, backoff and limits; missing ones have their defaults.
    """

    handler: str
    name: str | None = None
    priority: int = 0
    policy: Mapping[str, Any] = field(default_factory=dict)


def recipe(**values: Any) -> Recipe:
    """Validate the options by which a source becomes batches.

    Args:
        **values: The fields of `Recipe`; None means the default.

    Returns:
        The recipe.

    Raises:
        BadArgument: One of them is invalid.
    """
    try:
        made = Recipe(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        field_name = ".".join(str(step) for step in first["loc"])
        raise BadArgument(
            f"{field_name or 'options'}: {first['msg']} (got {quoted(first['input'])})", hint=_HINTS.get(field_name, "")
        ) from None
    ItemReader(key=made.key, weight=made.weight)  # rejects names of fields that it cannot read
    if made.format == "lines" and (made.weight or made.key not in ((), (".",))):
        raise BadArgument(
            "plain lines have no fields that a key or weight could name",
            hint="Omit --key and --weight, or use --key . to make each line its own key.",
        )
    return made


def begin(connection: Connection, *, source: NamedSource, recipe: Recipe, spec: JobSpec, **options: Any) -> Submitter:
    """Create a job for a source.

    Args:
        connection: Holds the job's submission from now on, unless it is in the caller's transaction.
        source: Where the items come from.
        recipe: How they become batches.
        spec: The job's attributes.
        **options: Options of `Submitter`.

    Returns:
        The submitter, ready to run.
    """
    # Check before a job exists that would stay empty.
    check_waiting(options.get("max_pending"), options.get("max_wait_s", MAX_WAIT_S))
    job = create_job(
        connection,
        handler=spec.handler,
        name=spec.name or source.name,
        priority=spec.priority,
        policy=traced(spec.policy),
        source=recipe.model_copy(update={"sources": tuple(source.describe())}).stored(),
        bytes_total=source.bytes_total,
    )
    if not options.get("in_callers_transaction"):
        lock_submission(connection, job.job_id)
    return Submitter(connection=connection, job=job, source=source, recipe=recipe, **options)


def reclaim(connection: Connection, job_id: int, *, source: NamedSource | None = None, **options: Any) -> Submitter:
    """Resume a submission that ended early, with its original options.

    Args:
        connection: Holds the job's submission from now on.
        source: Its source, if it cannot be opened again: a Python iterable.
        **options: Options of `Submitter`.

    Returns:
        The submitter, ready to run.

    Raises:
        SourceChanged: The source has changed.
        SubmissionLost: The job's submitter is alive.
        JobPhaseError: The job is already sealed, or cancelled.
    """
    job = _reclaim_job(connection, job_id)
    try:
        kept = Recipe(**job.source)
        same = _unchanged(job_id, kept, source)
        return Submitter(connection=connection, job=job, source=same, recipe=kept, **options)
    except EvtrackError:
        unlock_submission(connection, job_id)
        raise


def _unchanged(job_id: int, kept: Recipe, source: NamedSource | None) -> NamedSource:
    if source is not None:
        if [dict(described) for described in kept.sources] != source.describe():
            raise SourceChanged(source.name, reason=f"job {job_id} was submitted from {list(kept.sources)}")
        return source
    if not kept.sources or any("path" not in described for described in kept.sources):
        raise BadArgument(
            f"job {job_id} was not submitted from files, so evtrack cannot read its items again",
            hint=f"Pass them again from Python: evtrack.submit(items, resume={job_id}).",
        )
    return reopen(kept.sources, format=kept.format, max_item_bytes=kept.max_item_bytes)


def _reclaim_job(connection: Connection, job_id: int) -> OpenJob:
    deadline = time.monotonic() + _RECLAIM_FOR_S
    while True:
        try:
            return reclaim_job(connection, job_id)
        except SubmissionLost:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_RECLAIM_EVERY_S)


def files(paths: list[str], recipe: Recipe) -> FileSource:
    """Open the files that a user names.

    Args:
        paths: Files, directories, or "-" for standard input.
        recipe: How to read them.

    Returns:
        The source.
    """
    return FileSource(paths, format=recipe.format, max_item_bytes=recipe.max_item_bytes)
