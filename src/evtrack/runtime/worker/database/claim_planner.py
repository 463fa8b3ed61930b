"""Which jobs to claim from, and from which batch number on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evtrack.storage.queue.queue import Claim, Claimable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch

MAX_JOBS: Final = 64
"""Jobs of one claim; with more they take turns."""

REFRESH_S: Final = 0.1
"""Age at which the marks are recomputed while there is work: what another worker gave back shows after this time."""

IDLE_S: Final = 1.0
"""Age at which the list is asked for again while there is none, should a wake-up have been lost."""

_EMPTY_S: Final = 0.02
_RETURNING_SHARE: Final = 4


class ClaimPlanner:
    """Knows the jobs that can be claimed from, and takes turns among those of the highest priority."""

    def __init__(self) -> None:
        self._after: dict[int, int] = {}
        self._due = False
        self._fresh = False
        self._turn = 0
        self._stale_at = 0.0
        self._wait_until = 0.0
        self._asked = 0
        self.listed: frozenset[int] = frozenset()

    @property
    def marks(self) -> dict[int, int]:
        """For each known job the smallest batch number that may be fresh."""
        return {job_id: after + 1 for job_id, after in self._after.items()}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was claimable when last asked."""
        return not self._after

    def is_stale(self, now: float) -> bool:
        """Ask whether the list must be asked for again.

        Args:
            now: The monotonic clock.

        Returns:
            Whether it must.
        """
        return now >= self._stale_at

    def expire(self) -> None:
        """Have the list asked for again at once: something came, or came back."""
        self._stale_at = self._wait_until = 0.0

    def patience(self, now: float) -> float:
        """Tell how long there is nothing to ask for.

        Args:
            now: The monotonic clock.

        Returns:
            Seconds.
        """
        until = self._stale_at if self.is_empty else min(self._stale_at, self._wait_until)
        return max(0.0, until - now)

    def refresh(self, jobs: Sequence[Claimable], *, now: float, took_s: float) -> None:
        """Take a new list.

        Args:
            jobs: What is claimable, most urgent first.
            now: The monotonic clock.
            took_s: How long the answer took; a long list is asked for less often.
        """
        self.listed = frozenset(job.job_id for job in jobs)
        urgent = [job for job in jobs if job.priority == jobs[0].priority]
        old = self._after
        # A job without fresh batches keeps its mark; a first fresh batch can only come above it.
        self._after = {job.job_id: old.get(job.job_id, 0) if job.mark is None else job.mark - 1 for job in urgent}
        self._due = any(job.due for job in urgent)
        self._fresh = any(job.mark is not None for job in urgent)
        self._stale_at = now + (max(REFRESH_S, min(10 * took_s, IDLE_S)) if jobs else IDLE_S)

    def candidates(self, now: float) -> list[int]:
        """Choose the jobs of the next claim.

        Args:
            now: The monotonic clock.

        Returns:
            Their numbers; none when there is nothing to claim, or when the last claim found all taken by others.
        """
        if now < self._wait_until:
            return []
        jobs = list(self._after)
        start = self._turn % len(jobs) if jobs else 0
        return (jobs[start:] + jobs[:start])[:MAX_JOBS]

    def claim(self, job_ids: Sequence[int], count: int) -> Claim:
        """Wish for batches.

        Args:
            job_ids: The candidates.
            count: How many batches.

        Returns:
            The claim, with a bounded share for those that came back.
        """
        returning = 0
        if self._due:
            returning = max(1, count // _RETURNING_SHARE) if self._fresh and count > 1 else count
        fresh = count - returning if self._fresh else 0
        self._turn += MAX_JOBS if len(self._after) > MAX_JOBS else 1
        self._asked = fresh + returning
        return Claim(job_ids, [self._after[job_id] for job_id in job_ids], fresh, returning)

    def claimed(self, rows: Sequence[ClaimedBatch], now: float) -> None:
        """Take note of what a claim brought.

        Args:
            rows: The batches.
            now: The monotonic clock.
        """
        after = self._after
        for row in rows:
            # What was claimed before came back, and its number says nothing about the fresh ones.
            if row.attempt == 1 and after.get(row.job_id, row.batch_no) < row.batch_no:
                after[row.job_id] = row.batch_no
        if len(rows) < self._asked:
            self._stale_at = 0.0
        if not rows:
            self._wait_until = now + _EMPTY_S
