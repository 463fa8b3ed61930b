"""The Python API: submit any iterable as a job, also in a transaction of the caller, and follow the log."""

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
from evtrack.storage.connection.patience import Patience
from evtrack.storage.connection.preconditions import check_schema
from evtrack.storage.embedded.server_choice import running_server
from evtrack.storage.log.feed import feed
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.position import LogPosition
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

    If your connection is in a transaction, or not in autocommit mode, the whole submission becomes part of your
    transaction, and the job exists once you commit. Otherwise each chunk is committed separately, and an interrupted
    submission continues with `resume` and the same items.

    Args:
        items: Dicts, strings, numbers, lists, dataclasses, pydantic models, or bytes that are already JSON.
        handler: The handler that processes the items.
        key: The fields that form an item's key ("sourcedb,sourceid"), or a function of the item. By default, the field
            id, or else the item's position in the iterable.
        connection: A psycopg connection or a connection string; by default, the one from the environment.
        resume: Continue this job with the options it was created with; pass `key` again if it is a function.
        name: The name of the job.
        priority: Jobs with a higher priority run first.
        policy: Budgets, backoff and limits, such as max_errors, backoff_s, timeout_s.
        batch_size: A batch is full when it has this many items, or this weight.
        weight: The list fields whose elements are counted instead of items.
        mode: With "replace", an item with the same key as the item before it is invalid.
        max_item_bytes: Larger items are invalid.
        max_batch_bytes: The largest size of a batch; at most 512 MiB.
        max_pending: Wait while the handler has this many pending batches.
        max_wait_s: Give up when max_pending holds the submission back for this long.
        on_progress: Called with the progress a few times a second.

    Returns:
        What was submitted; the job has a note for each `invalid` item.

    Raises:
        BadArgument: An argument is invalid.
        QueueFull: The queue was full for too long; the job is still open.
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
        raise BadArgument("give either a handler, for a new job, or a job to resume")
    source = IterableSource(items, name=name or "items", max_item_bytes=made.max_item_bytes, key=called)
    with _connected(connection) as (conn, is_own):
        joins = joins_transaction(conn)
        if joins and (resume is not None or max_pending is not None):
            raise BadArgument("resume and max_pending need a connection in autocommit mode, outside a transaction")
        options: dict[str, Any] = {
            "max_pending": max_pending,
            "max_wait_s": max_wait_s,
            "overlap": is_own,
            "in_callers_transaction": joins,
            "on_progress": on_progress,
            "key_of": source.key_of if called else None,
            "arrays": True,
            "patience": Patience(waits_at_start=True) if is_own else None,
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
                number = submitter.job_id
                error.add_note(f"evtrack job {number} is still open; continue with submit(items, resume={number}).")
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
    """Submit a small job in one statement: all of its items or none.

    Args:
        items: As for `submit`, at least one.
        handler: The handler that processes the items.
        key: As for `submit`.
        connection: As for `submit`.
        name: The name of the job.
        priority: Jobs with a higher priority run first.
        policy: Budgets, backoff and limits.
        batch_size: Items per batch; by default, one batch holds them all.

    Returns:
        The job's id.

    Raises:
        BadArgument: There are no items, or one is invalid.
    """
    called = key if callable(key) else None
    made = recipe(key=None if callable(key) else _fields(key))
    source = IterableSource(items, key=called)
    reader = ItemReader(key=made.key, arrays=True, key_of=source.key_of if called else None)
    keys: list[str] = []
    payloads: list[str] = []
    for group in source.records():
        places, found, _ = zip(*group, strict=True)
        read = reader.read_all(found, source.name, places)
        keys += read[0] if read else [_key_of(item, place, reader, source.name) for place, item, _ in group]
        payloads += [item.decode() for item in found if not isinstance(item, InvalidItem)]
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
        # In the caller's transaction, the wake-up is sent with the commit; otherwise the commit came first.
        wake_workers(conn, handler)
    return job_id


def tail(
    connection: str | None = None, *, after: str | None = None, job: int | None = None, follow: bool = False
) -> Iterator[tuple[str, LogRow]]:
    """Read the log in commit order: each event once, and each stream in the order of its versions.

    Args:
        connection: A connection string; by default, the one from the environment.
        after: The position to start after; None to start at the beginning.
        job: Only this job.
        follow: Continue with new events forever; a lost connection is reopened.

    Yields:
        The position after an event, to be stored together with the result of the event, and the event.

    Raises:
        BadArgument: The position is invalid, or comes from another cluster: after a restore, start at the beginning.
        LogDiverged: A failover or a restore lost events that were read before the position.
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


def _key_of(item: bytes | InvalidItem, place: int | None, reader: ItemReader, name: str) -> str:
    try:
        if isinstance(item, InvalidItem):
            raise InvalidItemError(item.reason)  # noqa: TRY301  # handled like an item with invalid content
        return reader.read(item, name, place)[0]
    except InvalidItemError as fault:
        raise BadArgument(f"item {place}: {fault.reason}") from None


@contextmanager
def _connected(connection: Connection | str | None) -> Iterator[tuple[Connection, bool]]:
    """Yield the connection to use, and whether it is our own."""
    if connection is not None and not isinstance(connection, str):
        yield connection, False
        return
    with running_server(settings_from(dsn=connection)) as dsn, connect(dsn, purpose="submit") as conn:
        check_schema(conn)
        yield conn, True
