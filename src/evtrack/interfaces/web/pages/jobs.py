"""All jobs, the latest first."""

from dataclasses import dataclass
from typing import Final

from evtrack.domain.states import JobPhase
from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.job_lists import jobs_page
from evtrack.storage.reports.job_reports import JobStatus
from evtrack.storage.reports.verifications import Verification, latest_verifications
from evtrack.storage.reports.walk import Walk

_SHOWN: Final = {JobPhase.OPEN: "being submitted", JobPhase.SEALED: "running, waiting or suspended"}


@dataclass(frozen=True, slots=True)
class JobsArgs:
    """Which jobs."""

    phase: str | None
    handler: str | None
    before: int | None


@dataclass(frozen=True, slots=True)
class Jobs:
    """A page of jobs.

    Args:
        jobs: The latest first.
        proofs: Their latest verifications, by job.
    """

    jobs: Walk[JobStatus]
    proofs: dict[int, Verification]

    @property
    def phases(self) -> list[tuple[str, str]]:
        """The phases to filter by, each with the states that a job of it is shown in."""
        return [(phase, _SHOWN.get(phase, phase)) for phase in JobPhase]


def _parse(address: Address) -> JobsArgs:
    return JobsArgs(
        address.choice("phase", list(JobPhase)), address.text("handler"), address.optional_number("before", least=1)
    )


def _read(conn: Connection, args: JobsArgs) -> Jobs:
    found = jobs_page(conn, before=args.before, phase=args.phase, handler=args.handler)
    return Jobs(found, latest_verifications(conn, [job.job_id for job in found.rows]) if found.rows else {})


def _address(args: JobsArgs) -> str:
    return link("/jobs", phase=args.phase, handler=args.handler, before=args.before)


JOBS: Final = Page(
    name="jobs", path="/jobs", parse=_parse, address=_address, read=_read, title=lambda _: "Jobs", every_s=2.0
)
