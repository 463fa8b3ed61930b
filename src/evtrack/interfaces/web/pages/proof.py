"""The proof: which jobs were verified, with what result, and the digests to compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.interfaces.words.proof_badge import ProofBadge, proof_badge
from evtrack.storage.reports import job_lists, job_reports, verifications

if TYPE_CHECKING:
    from datetime import datetime

    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.job_reports import JobStatus
    from evtrack.storage.reports.verifications import Verification

_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class ProofArgs:
    """Which jobs.

    Args:
        job_id: Only this one, with all of its verifications.
        before: Only those with a smaller number.
    """

    job_id: int | None
    before: int | None


@dataclass(frozen=True, slots=True)
class ProvedJob:
    """A job, and whether its log is proved.

    Args:
        phase: Its phase; with the three that follow, what it is doing.
        ended_at: When it ended; None if it has not.
        badge: What is known of its log.
        latest: Its latest verification; None if there is none.
    """

    job_id: int
    handler: str
    name: str | None
    phase: str
    suspended: bool
    outcome: str | None
    running: int
    ended_at: datetime | None
    badge: ProofBadge
    latest: Verification | None


@dataclass(frozen=True, slots=True)
class Proof:
    """A page of jobs, the latest first.

    Args:
        jobs: The jobs.
        earlier: All verifications of the one job that was asked for, the latest first.
        older: Before which job there are more; None if there are none.
    """

    jobs: list[ProvedJob]
    earlier: list[Verification]
    older: int | None


def _parse(address: Address) -> ProofArgs:
    job_id = address.optional_number("job", least=1)
    return ProofArgs(job_id, None if job_id else address.optional_number("before"))


def _read(conn: Connection, args: ProofArgs) -> Proof:
    if args.job_id is not None:
        job = job_reports.job_status(conn, args.job_id)
        earlier = verifications.job_verifications(conn, args.job_id)
        return Proof([_proved(job, earlier[0] if earlier else None)], earlier, None)
    found = job_lists.jobs_page(conn, limit=_PAGE, before=args.before)
    latest = verifications.latest_verifications(conn, [job.job_id for job in found.rows])
    return Proof([_proved(job, latest.get(job.job_id)) for job in found.rows], [], found.next)


def _proved(job: JobStatus, latest: Verification | None) -> ProvedJob:
    return ProvedJob(
        job.job_id,
        job.handler,
        job.name,
        job.phase,
        job.suspended,
        job.outcome,
        job.running,
        job.finished_at or job.cancelled_at,
        proof_badge(job, latest),
        latest,
    )


PROOF: Final = Page(
    name="proof",
    path="/proof",
    parse=_parse,
    address=lambda args: link("/proof", job=args.job_id, before=args.before),
    read=_read,
    title=lambda page: f"Proof of job {page.jobs[0].job_id}" if page.earlier else "Proof",
    every_s=10.0,
)
