"""Reports on workers."""

from dataclasses import dataclass
from datetime import datetime

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A row of evtrack.worker_status."""

    worker_id: int
    name: str
    state: str
    host: str
    pid: int
    handlers: list[str]
    slots: int
    busy: int
    version: str
    started_at: datetime
    seen_at: datetime
    silent_s: float


def live_workers(conn: Connection, *, limit: int = 1000) -> list[WorkerRow]:
    """Read the workers that are neither stopped nor lost."""
    return rows(conn, WorkerRow, "live_workers", limit=limit)


def workers(conn: Connection, *, limit: int) -> list[WorkerRow]:
    """Read the latest workers, including stopped and lost ones.

    Returns:
        Their rows, the latest first.
    """
    return rows(conn, WorkerRow, "workers", limit=limit)
