"""All of one job that is counted, in one statement."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from evtrack.storage.connection.query import dict_rows
from evtrack.storage.reports.job_reports import JobProgress, JobStatus, Waiting, existing
from evtrack.storage.reports.verifications import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evtrack.storage.connection.connect import Connection

Part = TypeVar("Part", JobStatus, JobProgress, Waiting, Verification)


@dataclass(frozen=True, slots=True)
class JobOverview:
    """A job at a moment.

    Args:
        status: What it is, and its phase.
        progress: Its items and batches by status.
        waiting: Why its pending batches wait; None without any.
        verification: What `evtrack verify` found last; None if it was never verified.
        is_submitting: Whether a process is submitting it.
    """

    status: JobStatus
    progress: JobProgress
    waiting: Waiting | None
    verification: Verification | None
    is_submitting: bool


def job_overview(conn: Connection, job_id: int) -> JobOverview:
    """Read all of one job that is counted; the cost does not depend on its number of batches.

    Raises:
        NoSuchJob: There is no such job; JobDropped, if a cleanup dropped it.
    """
    found = dict_rows(conn, "job_overview", job_id=job_id)
    row = existing(conn, found[0] if found else None, job_id)
    return JobOverview(
        status=_part(JobStatus, row, "p_", "s_"),
        progress=_part(JobProgress, row, "p_"),
        waiting=None if row["w_job_id"] is None else _part(Waiting, row, "w_"),
        verification=None if row["v_job_id"] is None else _part(Verification, row, "v_"),
        is_submitting=row["is_submitting"],
    )


def _part(kind: type[Part], row: Mapping[str, Any], *prefixes: str) -> Part:
    given: dict[str, Any] = {}
    for prefix in prefixes:
        given |= {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
    return kind(**{field.name: given[field.name] for field in fields(kind)})
