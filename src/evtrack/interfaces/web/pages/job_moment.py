"""A job as of a time, folded from its events."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evtrack.interfaces.web.address import Address, NoSuchPage, link
from evtrack.interfaces.web.page import Page
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.history import ProgressAt, job_progress_at
from evtrack.storage.reports.job_reports import job_progress

MOST_BATCHES: Final = 20_000
"""The most batches of a job whose events a page folds."""


@dataclass(frozen=True, slots=True)
class MomentArgs:
    """Which job, and the time."""

    job_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class JobMoment:
    """A job as of a time.

    Args:
        job_id: The job.
        at: The time.
        then: Its progress then; None if it has too many events for a page.
    """

    job_id: int
    at: datetime
    then: ProgressAt | None


def _parse(address: Address) -> MomentArgs:
    at = address.time("at")
    if at is None:
        raise NoSuchPage
    return MomentArgs(address.number("job_id"), at)


def _read(conn: Connection, args: MomentArgs) -> JobMoment:
    is_small = job_progress(conn, args.job_id).batches <= MOST_BATCHES
    return JobMoment(args.job_id, args.at, job_progress_at(conn, args.job_id, args.at) if is_small else None)


JOB_MOMENT: Final = Page(
    name="job_moment",
    path="/jobs/{job_id}/moment",
    parse=_parse,
    address=lambda args: link(f"/jobs/{args.job_id}/moment", at=args.at),
    read=_read,
    title=lambda page: f"Job {page.job_id} as of a time",
    every_s=None,
)
