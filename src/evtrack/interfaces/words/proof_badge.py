"""Judge in a word whether a job's log is proved."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from evtrack.domain.states import JobPhase

if TYPE_CHECKING:
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


def proof_badge(phase: str, latest: Verification | None) -> ProofBadge:
    """Judge a job's log.

    Args:
        phase: The job's phase.
        latest: Its latest verification; None if there is none.
    """
    if latest is not None and latest.outcome in {ProofBadge.DEPARTS, ProofBadge.DAMAGED}:
        return ProofBadge(latest.outcome)
    if phase not in {JobPhase.FINISHED, JobPhase.CANCELLED}:
        return ProofBadge.OPEN
    if latest is not None and latest.outcome == ProofBadge.WHOLE:
        return ProofBadge.WHOLE
    return ProofBadge.NOT_PROVED
