"""Reports on handlers: the items of all their jobs."""

from dataclasses import dataclass

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows


@dataclass(frozen=True, slots=True)
class HandlerSums:
    """A row of evtrack.handler_status: the items of all jobs of a handler, by status."""

    handler: str
    jobs: int
    pending: int
    running: int
    done: int
    failed: int
    crashed: int
    cancelled: int

    @property
    def total(self) -> int:
        """All items."""
        return self.pending + self.running + self.done + self.failed + self.crashed + self.cancelled


def handler_sums(conn: Connection, *, limit: int) -> list[HandlerSums]:
    """Read the sums of each handler's jobs, those with most under way first; reads the counters of all jobs.

    Args:
        limit: How many at most.
    """
    return rows(conn, HandlerSums, "handler_list", limit=limit)
