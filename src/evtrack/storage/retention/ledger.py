"""The ledger: one line for each job that a cleanup dropped."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from evtrack.domain.errors import JobDropped
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import one


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A row of evtrack.dropped_job; batches and items are counts by status, without zeros."""

    job_id: int
    job_day: date
    name: str | None
    handler: str
    phase: str
    batches: dict[str, int]
    items: dict[str, int]
    invalid: int
    events: int
    created_at: datetime
    ended_at: datetime
    dropped_at: datetime
    archive: str | None
    digest: str


def ledger_line(conn: Connection, job_id: int) -> LedgerLine | None:
    """Read a dropped job's line.

    Returns:
        The line; None when no such job was dropped.
    """
    return one(conn, LedgerLine, "ledger_line", job_id=job_id)


def refuse_dropped(conn: Connection, job_id: int) -> None:
    """Make sure that a missing job was not dropped by a cleanup.

    Raises:
        JobDropped: It was dropped; the message says when, and where its archive is.
    """
    line = ledger_line(conn, job_id)
    if line is not None:
        at = f"{line.dropped_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
        raise JobDropped(job_id=job_id, dropped_at=at, archive=line.archive)
