"""A badge says whole only of a job that was verified after it had ended."""

from datetime import timedelta

import pytest

from evtrack.interfaces.words.proof_badge import ProofBadge, proof_badge
from evtrack.storage.reports.verifications import Verification
from page_samples import AT, job_status


@pytest.mark.parametrize(
    ("phase", "outcome", "badge"),
    [
        ("finished", None, ProofBadge.NOT_PROVED),
        ("cancelled", None, ProofBadge.NOT_PROVED),
        ("sealed", None, ProofBadge.OPEN),
        ("finished", "whole", ProofBadge.WHOLE),
        ("cancelled", "whole", ProofBadge.WHOLE),
        ("finished", "open", ProofBadge.NOT_PROVED),
        ("sealed", "open", ProofBadge.OPEN),
        # It was retried since.
        ("sealed", "whole", ProofBadge.OPEN),
        ("sealed", "damaged", ProofBadge.DAMAGED),
        ("finished", "departs", ProofBadge.DEPARTS),
    ],
)
def test_a_job_has_the_badge_of_its_phase_and_its_latest_verification(
    phase: str, outcome: str | None, badge: ProofBadge
) -> None:
    ended = {"finished_at": AT if phase == "finished" else None, "cancelled_at": AT if phase == "cancelled" else None}
    latest = None if outcome is None else Verification(12, AT, "me", outcome, 9, 0, [], "ab")
    assert badge == proof_badge(job_status("a", phase=phase, **ended), latest)


def test_a_job_that_was_retried_and_ended_again_is_not_proved() -> None:
    latest = Verification(12, AT, "me", "whole", 9, 0, [], "ab")
    job = job_status("a", phase="finished", finished_at=AT + timedelta(hours=1))
    assert proof_badge(job, latest) == ProofBadge.NOT_PROVED
