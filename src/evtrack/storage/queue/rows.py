"""What a worker and the queue hand each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Claimable:
    """A job that may be claimed from.

    Args:
        job_id: The job.
        priority: Higher goes first.
        mark: Smallest number of a fresh batch, or None when there is none.
        due: Whether a batch that came back is due.
    """

    job_id: int
    priority: int
    mark: int | None
    due: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish for batches.

    Args:
        job_ids: Jobs to claim from, each an equal share; the earlier get the remainder.
        after: For each job the batch number to look behind.
        max_fresh: How many batches as submitted.
        max_returning: How many of those that came back.
    """

    job_ids: Sequence[int]
    after: Sequence[int]
    max_fresh: int
    max_returning: int


@dataclass(frozen=True, slots=True)
class Completed:
    """Batches that are done, in parallel lists.

    Args:
        job_ids: Their jobs.
        batch_nos: Their numbers.
        attempts: Which attempt it was.
        run_s: How long each ran.
        results: Lines of JSON of each, or None; None when no batch has any.
    """

    job_ids: Sequence[int]
    batch_nos: Sequence[int]
    attempts: Sequence[int]
    run_s: Sequence[float]
    results: Sequence[bytes | None] | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A batch whose report was not taken as it was meant.

    Args:
        job_id: Its job.
        batch_no: Its number.
        verdict: late or unknown; of other reports any verdict.
    """

    job_id: int
    batch_no: int
    verdict: str
