"""The events of a hunt: those of a submitted batch and of all batches made of it."""

from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import set_json_loads
from pydantic import ValidationError

from evtrack.domain.errors import NoSuchJob
from evtrack.domain.stored_event import StoredEvent, read_event
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import rows
from evtrack.storage.connection.sql_files import statement
from evtrack.storage.log.log_row import LogRow, readable

BATCHES: Final = 200
"""How many batches of a hunt are read."""

_EVENTS: Final = 50


@dataclass(frozen=True, slots=True)
class HuntTree:
    """The streams of a hunt.

    Args:
        handler: The handler of the job.
        streams: The events by batch, each in the order of their versions.
        max_crashes: The crash budget of an item.
        max_losses: Its lost-worker budget.
        is_cut: Whether there are more batches or events than were read.
    """

    handler: str
    streams: dict[int, list[StoredEvent]]
    max_crashes: int
    max_losses: int
    is_cut: bool


class _Node(NamedTuple):
    batch_no: int
    job_day: date
    handler: str
    max_crashes: int
    max_losses: int


def hunt_tree(conn: Connection, job_id: int, root_no: int) -> HuntTree:
    """Read the events of a submitted batch and of all batches made of it.

    Raises:
        NoSuchJob: The job has no such batch.
    """
    nodes = rows(conn, _Node, "hunt_batches", job_id=job_id, root_no=root_no, limit=BATCHES)
    if not nodes:
        raise NoSuchJob(f"Job {job_id} has no batch {root_no}.", hint=f"`evtrack batches {job_id}` lists its batches.")
    shown = nodes[:BATCHES]
    params = {
        "job_day": shown[0].job_day,
        "job_id": job_id,
        "batch_nos": [node.batch_no for node in shown],
        "upto": _EVENTS + 1,
    }
    with translated(), conn.cursor(row_factory=class_row(LogRow)) as cursor:
        set_json_loads(readable, cursor)
        events = cursor.execute(statement("hunt_events"), params).fetchall()
    streams: dict[int, list[StoredEvent]] = {}
    broken: set[int] = set()
    for row in events:
        # A stream ends before an event that cannot be read.
        is_read = row.batch_no not in broken and row.version <= _EVENTS
        stored = _stored(row) if is_read else None
        if stored is None:
            broken.add(row.batch_no)
        else:
            streams.setdefault(row.batch_no, []).append(stored)
    root, is_cut = shown[0], len(nodes) > BATCHES or bool(broken)
    return HuntTree(root.handler, streams, root.max_crashes, root.max_losses, is_cut)


def _stored(row: LogRow) -> StoredEvent | None:
    try:
        event = read_event(row.type, row.data)
    except ValidationError:
        return None
    return StoredEvent(
        job_day=row.job_day,
        job_id=row.job_id,
        batch_no=row.batch_no,
        version=row.version,
        attempt=row.attempt,
        worker_id=row.worker_id,
        at=row.at,
        seq=row.seq,
        xid=row.xid,
        event=event,
    )
