"""Jobs page by page, and those that cleanup dropped."""

from typing import Final

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows, value
from evtrack.storage.reports.job_reports import JobStatus
from evtrack.storage.reports.walk import Walk, walked
from evtrack.storage.retention.ledger import LedgerLine

LOOKED: Final = 2000
"""At how many jobs a page with a filter looks."""


def jobs_page(
    conn: Connection,
    *,
    limit: int = 50,
    before: int | None = None,
    phase: str | None = None,
    handler: str | None = None,
) -> Walk[JobStatus]:
    """Read a page of jobs, the latest first.

    Args:
        limit: How many at most.
        before: Only jobs with lower numbers; None for all.
        phase: Only those in this phase; None for any.
        handler: Only those of this handler; None for any.
    """
    params = {"before": before, "phase": phase, "handler": handler}
    found = rows(conn, JobStatus, "jobs_page", limit=limit + 1, walk=LOOKED, **params)
    return walked(
        found, limit, lambda job: job.job_id, before, lambda: value(conn, "job_walk", before=before, walk=LOOKED)
    )


def dropped_page(conn: Connection, *, limit: int = 50, before: int | None = None) -> Walk[LedgerLine]:
    """Read a page of the jobs that cleanup dropped, the latest first.

    Args:
        limit: How many at most.
        before: Only jobs with lower numbers; None for all.
    """
    found = rows(conn, LedgerLine, "dropped_page", limit=limit + 1, before=before)
    return walked(found, limit, lambda line: line.job_id)
