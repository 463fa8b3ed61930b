"""The batches of a job, in the order of their numbers."""

from dataclasses import dataclass
from typing import Final

from evtrack.domain.column_types import INTEGER_MAX
from evtrack.domain.states import BatchStatus
from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.batch_lists import batches_page
from evtrack.storage.reports.batch_reports import BatchRow
from evtrack.storage.reports.job_reports import JobProgress, job_progress
from evtrack.storage.reports.walk import Walk


@dataclass(frozen=True, slots=True)
class BatchesArgs:
    """Which batches."""

    job_id: int
    status: str | None
    after: int


@dataclass(frozen=True, slots=True)
class Batches:
    """A page of batches.

    Args:
        job: The progress of their job.
        batches: In the order of their numbers; with the numbers that were looked at, if there are more.
    """

    job: JobProgress
    batches: Walk[BatchRow]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many batches of the job have each status."""
        return [(status, getattr(self.job, f"batches_{status}")) for status in BatchStatus]


def _parse(address: Address) -> BatchesArgs:
    after = address.optional_number("after", most=INTEGER_MAX)
    return BatchesArgs(address.number("job_id"), address.choice("status", list(BatchStatus)), after or 0)


def _read(conn: Connection, args: BatchesArgs) -> Batches:
    job = job_progress(conn, args.job_id)
    return Batches(job, batches_page(conn, args.job_id, after=args.after, status=args.status))


def _address(args: BatchesArgs) -> str:
    return link(f"/jobs/{args.job_id}/batches", status=args.status, after=args.after or None)


BATCHES: Final = Page(
    name="batches",
    path="/jobs/{job_id}/batches",
    parse=_parse,
    address=_address,
    read=_read,
    title=lambda page: f"Batches of job {page.job.job_id}",
    every_s=2.0,
)
