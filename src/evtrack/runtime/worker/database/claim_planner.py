"""Decides which jobs a claim names, and from which batch number on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evtrack.storage.queue.records import Claim, Claimable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch

MAX_JOBS: Final = 64
"""Most jobs of one claim; more take turns."""

REFRESH_S: Final = 0.1
"""Age at which low-water marks are read again while there is work: a batch that another worker gave back shows then."""

IDLE_S: Final = 1.0
"""Age at which the list is read again while it is empty, in case a wake-up was lost."""

_EMPTY_S: Final = 0.02
_RETRIED_SHARE: Final = 4


class ClaimPlanner:
    """Knows the claimable jobs, and takes turns among those of the highest priority."""

    def __init__(self) -> None:
        self._after: dict[int, int] = {}
        self._has_retried = False
        self._has_new = False
        self._has_isolated = False
        self._is_exclusive_claim = False
        self._is_listing_empty = True
        self._turn = 0
        self._stale_at = 0.0
        self._wait_until = 0.0
        self._requested = 0
        self._jobs_at_once = MAX_JOBS
        self.listed: frozenset[int] = frozenset()
        self.idle_s = IDLE_S
        """Age at which the list is read again while it is empty: longer in a large fleet, as is the other one."""

    @property
    def low_water_marks(self) -> dict[int, int]:
        """For each known job, the smallest batch number that may be new."""
        return {job_id: after + 1 for job_id, after in self._after.items()}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was claimable when the list was last read."""
        return self._is_listing_empty

    @property
    def list_at(self) -> float:
        """Monotonic time at which the list must be read again."""
        return self._stale_at

    @property
    def claim_at(self) -> float:
        """Monotonic time before which there is nothing to claim, as other workers had just claimed it all."""
        return self._wait_until

    def is_stale(self, now: float) -> bool:
        """Return whether the list must be read again.

        Args:
            now: The monotonic clock.

        Returns:
            Whether it must.
        """
        return now >= self._stale_at

    def expire(self) -> None:
        """Make the list stale: there may be new or returned batches."""
        self._stale_at = self._wait_until = 0.0

    def forget_marks(self) -> None:
        """Forget the low-water marks: the database may have lost the claims that raised them."""
        self._after = dict.fromkeys(self._after, 0)
        self.expire()

    def narrow(self) -> None:
        """Name one job in the next claim, as one was refused, and then more again: one job must not hold up all."""
        self._jobs_at_once = 1

    def refresh(self, jobs: Sequence[Claimable], *, now: float, took_s: float, takes_alone: bool = True) -> None:
        """Replace the list.

        Args:
            jobs: The claimable jobs, most urgent first.
            now: The monotonic clock.
            took_s: How long the query took; a slow list is read less often.
            takes_alone: Whether the worker takes batches that need it for themselves.
        """
        self.listed = frozenset(job.job_id for job in jobs)
        self._is_listing_empty = not jobs
        if not takes_alone:
            # Jobs that may have nothing else must not hide less urgent ones.
            jobs = [job for job in jobs if job.mark is not None or not job.isolated] or jobs
        urgent = [job for job in jobs if job.priority == jobs[0].priority]
        old = self._after
        # A job without new batches keeps its low-water mark: new batches can only come above it.
        self._after = {job.job_id: old.get(job.job_id, 0) if job.mark is None else job.mark - 1 for job in urgent}
        self._has_retried = any(job.due for job in urgent)
        self._has_new = any(job.mark is not None for job in urgent)
        self._has_isolated = any(job.isolated for job in urgent)
        idle_s = max(IDLE_S, self.idle_s)
        self._stale_at = now + (max(REFRESH_S * idle_s / IDLE_S, min(10 * took_s, IDLE_S)) if jobs else idle_s)

    def record_next(self, *, has_more: bool, now: float) -> None:
        """Record the result of a claim of what is next, without a list.

        Args:
            has_more: Whether there may be more to claim.
            now: The monotonic clock.
        """
        if has_more:
            self.expire()
        else:
            self.refresh((), now=now, took_s=0.0)

    def candidates(self, now: float) -> list[int]:
        """Choose the jobs of the next claim.

        Args:
            now: The monotonic clock.

        Returns:
            Job ids; none when there is nothing to claim, or other workers had just claimed it all.
        """
        return [] if now < self._wait_until else self.next_jobs()

    def next_jobs(self) -> list[int]:
        """Return the jobs whose turn is next, whenever that is."""
        jobs = list(self._after)
        start = self._turn % len(jobs) if jobs else 0
        return (jobs[start:] + jobs[:start])[: self._jobs_at_once]

    def plan(self, job_ids: Sequence[int], count: int, *, takes_alone: bool = False, is_free: bool = False) -> Claim:
        """Plan a claim.

        Args:
            job_ids: The candidates.
            count: How many batches to claim.
            takes_alone: Whether the worker takes a batch that needs it for itself.
            is_free: Whether it holds nothing, so that such a batch can start at once.

        Returns:
            The claim, with a bounded share of retried batches, or of nothing but a batch that needs the worker for
            itself.
        """
        isolated = 1 if takes_alone and self._has_isolated else 0
        retried = new = 0
        if not (isolated and is_free):
            if self._has_retried:
                retried = max(1, count // _RETRIED_SHARE) if self._has_new and count > 1 else count
            new = count - retried if self._has_new else 0
        self._turn += self._jobs_at_once if len(self._after) > self._jobs_at_once else 1
        self._requested = new + retried + isolated
        self._is_exclusive_claim = not new + retried
        return Claim(job_ids, [self._after[job_id] for job_id in job_ids], new, retried, isolated)

    def pause(self, now: float) -> None:
        """Claim nothing for a moment: there is nothing that may be claimed now.

        Args:
            now: The monotonic clock.
        """
        self._wait_until = now + _EMPTY_S

    def record(self, batches: Sequence[ClaimedBatch], now: float) -> None:
        """Record the result of the planned claim.

        Args:
            batches: The claimed batches.
            now: The monotonic clock.
        """
        after = self._after
        self._jobs_at_once = min(MAX_JOBS, 2 * self._jobs_at_once)
        for batch in batches:
            # The number of a retried batch says nothing about where new ones begin.
            if batch.attempt == 1 and after.get(batch.job_id, batch.batch_no) < batch.batch_no:
                after[batch.job_id] = batch.batch_no
        if len(batches) < self._requested:
            self._stale_at = 0.0
        if not any(batch.runs_alone for batch in batches):
            self._has_isolated = False  # until the list is read again
        if not batches and not self._is_exclusive_claim:
            self.pause(now)
