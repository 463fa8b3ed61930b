"""What is wrong with a job now: not what retries have solved."""

from dataclasses import dataclass

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows
from evtrack.storage.reports import batch_reports, job_reports
from evtrack.storage.reports.batch_reports import Crash
from evtrack.storage.reports.job_reports import ErrorKind, JobStatus, Waiting

_ERRORS = 1000
_CRASHES = 50


@dataclass(frozen=True, slots=True)
class JobTroubles:
    """What is wrong with a job now.

    Args:
        failed: Items that are failed.
        crashed: Items that are crashed.
        stuck: Items that no worker starts although it is time.
        retrying: Items that failed or crashed, and wait for their next attempt.
        errors: The errors of items that are failed or run again, worst first.
        crashes: The latest crash of each item that is crashed or runs again, latest first.
        solved_errors: Errors, by fingerprint, that no item has now.
        has_solved_crashes: Whether there were only crashes that are over, whatever became of their items.
    """

    failed: int
    crashed: int
    stuck: int
    retrying: int
    errors: list[ErrorKind]
    crashes: list[Crash]
    solved_errors: int
    has_solved_crashes: bool

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of items, by what is wrong with them."""
        return {"failed": self.failed, "crashed": self.crashed, "stuck": self.stuck, "retrying": self.retrying}


@dataclass(frozen=True, slots=True)
class Overdue:
    """Items that no worker starts although it is time, and one of their jobs."""

    items: int
    example_job_id: int | None


def overdue(conn: Connection) -> Overdue:
    """Read what waits, over all jobs, for a reason that needs an operator."""
    return rows(conn, Overdue, "overdue_sums")[0]


def job_troubles(conn: Connection, job: JobStatus, waiting: Waiting | None, *, limit: int) -> JobTroubles:
    """Read what is wrong with a job now.

    Args:
        waiting: Why its pending batches wait, if any do.
        limit: How many errors and how many crashes to list at most.
    """
    errors = job_reports.errors(conn, job.job_id, limit=_ERRORS)
    by_item: dict[tuple[int, int | None], Crash] = {}
    for crash in batch_reports.crashes(conn, job.job_id, limit=_CRASHES, unsolved=True):
        # Without an item in hand, the batch is all that is known.
        by_item.setdefault((crash.batch_no if crash.ordinal is None else 0, crash.ordinal), crash)
    open_errors = [error for error in errors if error.is_open]
    return JobTroubles(
        failed=job.failed,
        crashed=job.crashed,
        stuck=waiting.items if waiting is not None and waiting.overdue else 0,
        retrying=job_reports.retrying_items(conn, job.job_id) if job.pending else 0,
        errors=open_errors[:limit],
        crashes=list(by_item.values())[:limit],
        solved_errors=len(errors) - len(open_errors),
        has_solved_crashes=not by_item and bool(batch_reports.crashes(conn, job.job_id, limit=1)),
    )
