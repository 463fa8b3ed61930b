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
        streams: The events by batch, each in the order of their versions.
        max_crashes: The crash budget of an item.
        is_cut: Whether there are more batches than were read.
    """

    streams: dict[int, list[StoredEvent]]
    max_crashes: int
    is_cut: bool


class _Node(NamedTuple):
    batch_no: int
    job_day: date
    max_crashes: int


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
        "limit": _EVENTS,
    }
    with translated(), conn.cursor(row_factory=class_row(LogRow)) as cursor:
        set_json_loads(readable, cursor)
        events = cursor.execute(statement("hunt_events"), params).fetchall()
    streams: dict[int, list[StoredEvent]] = {}
    broken: set[int] = set()
    for row in events:
        # A stream ends before an event that cannot be read.
        stored = None if row.batch_no in broken else _stored(row)
        if stored is None:
            broken.add(row.batch_no)
        else:
            streams.setdefault(row.batch_no, []).append(stored)
    return HuntTree(streams, shown[0].max_crashes, len(nodes) > BATCHES)


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
