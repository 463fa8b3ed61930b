"""Judge in a word whether a job's log is proved."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from evtrack.domain.states import JobPhase

if TYPE_CHECKING:
    from evtrack.storage.reports.job_reports import JobStatus
    from evtrack.storage.reports.verifications import Verification


class ProofBadge(StrEnum):
    """What is known of a job's log."""

    WHOLE = "whole"
    """The latest verification found it complete, after the job had ended."""
    OPEN = "open"
    """The job has not ended: its log can still grow."""
    DEPARTS = "departs"
    """The log is intact, but the projection differs from it."""
    DAMAGED = "damaged"
    """The log itself was changed, or lacks something."""
    NOT_PROVED = "not proved"
    """No verification since the job ended."""


def proof_badge(job: JobStatus, latest: Verification | None) -> ProofBadge:
    """Judge a job's log.

    Args:
        job: The job.
        latest: Its latest verification; None if there is none.
    """
    if latest is not None and latest.outcome in {ProofBadge.DEPARTS, ProofBadge.DAMAGED}:
        return ProofBadge(latest.outcome)
    ended_at = job.finished_at or job.cancelled_at
    if job.phase not in {JobPhase.FINISHED, JobPhase.CANCELLED} or ended_at is None:
        return ProofBadge.OPEN
    # A job that was retried ends again.
    if latest is not None and latest.outcome == ProofBadge.WHOLE and latest.at >= ended_at:
        return ProofBadge.WHOLE
    return ProofBadge.NOT_PROVED
