"""Finishes jobs: asks the database about each job that this worker worked on, soon and then from time to time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ASK_S: Final = 1.0
"""How often a job is asked about again."""

FORGET_S: Final = 60.0
"""How long after its last batch here a job is asked about; by then the workers of its last batches have asked."""

_AT_ONCE: Final = 64


class JobCompletion:
    """Remembers the jobs that may be finished."""

    def __init__(self) -> None:
        self._touched: dict[int, float] = {}
        self._unasked: set[int] = set()
        self._asked_at = 0.0

    def add(self, job_ids: Iterable[int], now: float) -> None:
        """Add jobs in which batches ended.

        Args:
            now: The monotonic clock.
        """
        for job_id in job_ids:
            self._touched[job_id] = now
            self._unasked.add(job_id)

    @property
    def is_pending(self) -> bool:
        """Whether a job was added and not asked about since."""
        return bool(self._unasked)

    def due(self, now: float, seems_over: Callable[[int], bool]) -> list[int]:
        """Choose the jobs to ask about.

        Args:
            now: The monotonic clock.
            seems_over: Returns whether this worker knows of no open batch of a job.

        Returns:
            A bounded number of jobs: those that seem over at once, all others every second.
        """
        jobs = [job_id for job_id in self._unasked if seems_over(job_id)][:_AT_ONCE]
        if now - self._asked_at >= ASK_S:
            self._asked_at = now
            for job_id in list(self._touched)[:_AT_ONCE]:
                # To the end of the queue, so that with many jobs each gets its turn.
                touched_at = self._touched.pop(job_id)
                if now - touched_at < FORGET_S:
                    self._touched[job_id] = touched_at
                jobs.append(job_id)
        self._unasked.difference_update(jobs)
        return list(dict.fromkeys(jobs))

    def remove(self, job_id: int) -> None:
        """Remove a finished job."""
        self._touched.pop(job_id, None)
        self._unasked.discard(job_id)
