"""The Python API: submit any iterable as a job, also inside the caller's own transaction; follow the log."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from evtrack.config import settings_from
from evtrack.domain.batching import Mode
from evtrack.domain.errors import BadArgument, EvtrackError
from evtrack.runtime.submit.progress import Submission, SubmitProgress
from evtrack.runtime.submit.submission import JobSpec, begin, recipe, reclaim
from evtrack.runtime.submit.throttle import MAX_WAIT_S
from evtrack.runtime.submit.trace import traced
from evtrack.sources.item_reader import InvalidItemError, ItemReader
from evtrack.sources.iterable_source import IterableSource
from evtrack.sources.records import MAX_ITEM_BYTES, InvalidItem
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.preconditions import check_schema
from evtrack.storage.embedded.server_choice import running_server
from evtrack.storage.log.feed import feed
from evtrack.storage.log.position import LogPosition
from evtrack.storage.log.reader import LogRow
from evtrack.storage.queue.job_control import wake_workers
from evtrack.storage.reports.job_reports import job_key
from evtrack.storage.submission.open_job import enqueue as enqueue_job
from evtrack.storage.submission.open_job import joins_transaction

Key = str | Sequence[str] | Callable[[Any], Any]


def submit(
    items: Iterable[Any],
    *,
    handler: str | None = None,
    key: Key | None = None,
    connection: Connection | str | None = None,
    resume: int | None = None,
    name: str | None = None,
    priority: int = 0,
    policy: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    weight: str | Sequence[str] | None = None,
    mode: Mode = "add",
    max_item_bytes: int = MAX_ITEM_BYTES,
    max_batch_bytes: int | None = None,
    max_pending: int | None = None,
    max_wait_s: float = MAX_WAIT_S,
    on_progress: Callable[[SubmitProgress], None] = lambda _: None,
) -> Submission:
    """Submit any iterable as one job; memory does not grow with it.

    On a connection of yours that is in a transaction, or not in autocommit mode, all of it becomes a part of your
    transaction: the job exists when you commit. Otherwise each chunk is committed on its own, and a submission that
    ended early goes on with `resume` and the same items.

    Args:
        items: Dicts, texts, numbers, dataclasses, pydantic models, or bytes that are JSON already.
        handler: Who shall work on them.
        key: The fields that make an item's key ("sourcedb,sourceid"), or a function of the item. Without it, the field
            id, else the item's place in the iterable.
        connection: A psycopg connection, or a connection string; without it, the one that the environment names.
        resume: Go on with this job, with the options that it began with; give its `key` again if it is a function.
        name: What people call the job.
        priority: Higher goes first.
        policy: Budgets, backoff and limits, such as max_errors, backoff_s, timeout_s.
        batch_size: A batch is full from this many items, or this weight, on.
        weight: The fields whose lists are counted instead of items.
        mode: "replace" refuses an item with the key of the one before it.
        max_item_bytes: A larger item is invalid.
        max_batch_bytes: No batch is larger; at most 512 MiB.
        max_pending: How many batches of the handler may be pending before this waits.
        max_wait_s: For how long it waits at a time.
        on_progress: Is told how far it is, a few times a second.

    Returns:
        What was submitted; `invalid` items are noted in the job.

    Raises:
        BadArgument: An argument cannot be kept.
        QueueFull: The queue stayed full for too long; the job is open still.
    """
    called = key if callable(key) else None
    made = recipe(
        key=None if callable(key) else _fields(key),
        weight=_fields(weight),
        batch_size=batch_size,
        mode=mode,
        max_item_bytes=max_item_bytes,
        max_batch_bytes=max_batch_bytes,
    )
    if (handler is None) == (resume is None):
        raise BadArgument("name either a handler, for a new job, or a job to resume")
    source = IterableSource(items, name=name or "items", max_item_bytes=made.max_item_bytes, key=called)
    with _connected(connection) as (conn, is_own):
        joins = joins_transaction(conn)
        if joins and (resume is not None or max_pending is not None):
            raise BadArgument("resume and max_pending need a connection that is in no transaction, in autocommit mode")
        options: dict[str, Any] = {
            "max_pending": max_pending,
            "max_wait_s": max_wait_s,
            "overlap": is_own,
            "in_callers_transaction": joins,
            "told": on_progress,
            "key_of": source.key_of if called else None,
            "arrays": True,
        }
        if resume is not None:
            submitter = reclaim(conn, resume, source=source, **options)
        else:
            spec = JobSpec(handler=handler or "", name=name, priority=priority, policy=policy or {})
            submitter = begin(conn, source=source, recipe=made, spec=spec, **options)
        try:
            return submitter.run()
        except Exception as error:
            if not joins and not isinstance(error, EvtrackError):
                error.add_note(
                    f"evtrack job {submitter.job_id} is open: submit(items, resume={submitter.job_id}) goes on."
                )
            raise


def enqueue(
    items: Iterable[Any],
    *,
    handler: str,
    key: Key | None = None,
    connection: Connection | str | None = None,
    name: str | None = None,
    priority: int = 0,
    policy: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
) -> int:
    """Submit a small job in one statement: all of its items, or none.

    Args:
        items: As for `submit`, at least one.
        handler: Who shall work on them.
        key: As for `submit`.
        connection: As for `submit`.
        name: What people call the job.
        priority: Higher goes first.
        policy: Budgets, backoff and limits.
        batch_size: Items in a batch; without it, all are one batch.

    Returns:
        The job's id.

    Raises:
        BadArgument: There is no item, or one is invalid.
    """
    called = key if callable(key) else None
    made = recipe(key=None if callable(key) else _fields(key))
    source = IterableSource(items, key=called)
    reader = ItemReader(key=made.key, arrays=True, key_of=source.key_of if called else None)
    keys: list[str] = []
    payloads: list[str] = []
    for group in source.records():
        for place, item, _ in group:
            try:
                if isinstance(item, InvalidItem):
                    raise InvalidItemError(item.reason)  # noqa: TRY301  # handled like an item with invalid content
                keys.append(reader.read(item, source.name, place)[0])
                payloads.append(item.decode())
            except InvalidItemError as fault:
                raise BadArgument(f"item {place}: {fault.reason}") from None
    with _connected(connection) as (conn, _):
        job_id = enqueue_job(
            conn,
            handler=handler,
            item_keys=keys,
            payloads=payloads,
            name=name,
            priority=priority,
            policy=traced(policy or {}),
            batch_size=batch_size,
        )
        # In the caller's transaction it is sent with the commit; otherwise the commit was before it.
        wake_workers(conn, handler)
    return job_id


def tail(
    connection: str | None = None, *, after: str | None = None, job: int | None = None, follow: bool = False
) -> Iterator[tuple[str, LogRow]]:
    """Read the log in commit order, each event once and the versions of each stream rising.

    Args:
        connection: A connection string; without it, the one that the environment names.
        after: The position to go on after; from the beginning if None.
        job: Only this job.
        follow: Go on with what comes, for ever; a lost connection is opened again.

    Yields:
        The position behind an event, to be kept together with what came of it, and the event.

    Raises:
        BadArgument: The position is none, or of another cluster: after a restore start from the beginning.
        NoSuchJob: There is no such job.
    """
    start = None if after is None else LogPosition.parse(after)
    with running_server(settings_from(dsn=connection)) as dsn:
        with connect(dsn, purpose="tail") as conn:
            check_schema(conn)
            key = None if job is None else (job_key(conn, job).job_day, job)
        for position, row in feed(dsn, after=start, job=key, follow=follow):
            yield str(position), row


def _fields(names: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    return tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else tuple(names)


@contextmanager
def _connected(connection: Connection | str | None) -> Iterator[tuple[Connection, bool]]:
    """Yield the connection to use, and whether it is our own."""
    if connection is not None and not isinstance(connection, str):
        yield connection, False
        return
    with running_server(settings_from(dsn=connection)) as dsn, connect(dsn, purpose="submit") as conn:
        check_schema(conn)
        yield conn, True
