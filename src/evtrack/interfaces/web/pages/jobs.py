"""All jobs, the latest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.domain.states import FINAL_PHASES, JobPhase
from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.storage.reports import job_reports

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.job_reports import JobStatus

_ROWS: Final = 50

PHASES: Final[dict[str, tuple[JobPhase, ...]]] = {
    "active": tuple(phase for phase in JobPhase if phase not in FINAL_PHASES),
    "ended": tuple(phase for phase in JobPhase if phase in FINAL_PHASES),
    **{str(phase): (phase,) for phase in JobPhase},
}
"""The words to filter by, and the phases that each stands for."""


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
        older: The job before which the next page begins; None if there are no more.
    """

    jobs: list[JobStatus]
    older: int | None

    @property
    def phases(self) -> list[str]:
        """The words to filter by."""
        return list(PHASES)


def _parse(address: Address) -> JobsArgs:
    return JobsArgs(
        address.choice("phase", PHASES), address.text("handler"), address.optional_number("before", least=1)
    )


def _read(conn: Connection, args: JobsArgs) -> Jobs:
    found = job_reports.jobs(
        conn,
        limit=_ROWS + 1,
        phases=None if args.phase is None else PHASES[args.phase],
        handler=args.handler,
        before=args.before,
    )
    shown = found[:_ROWS]
    return Jobs(shown, shown[-1].job_id if len(found) > _ROWS else None)


def _address(args: JobsArgs) -> str:
    return link("/jobs", phase=args.phase, handler=args.handler, before=args.before)


JOBS: Final = Page(
    name="jobs", path="/jobs", parse=_parse, address=_address, read=_read, title=lambda _: "Jobs", every_s=2.0
)
