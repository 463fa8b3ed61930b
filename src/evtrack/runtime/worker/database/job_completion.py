"""Finishes jobs: asks the database about each job that this worker worked on, soon and then from time to time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ASK_S: Final = 1.0
"""How often a job is asked about again."""

FORGET_S: Final = 60.0
"""How long after its last batch here a job is asked about; by then the workers of its last batches have asked."""

_AT_ONCE: Final = 64
_POSTPONED_S: Final = 20.0
"""Several times as long as a call may wait for the lock of a job's row."""


class JobCompletion:
    """Remembers the jobs that may be finished."""

    def __init__(self) -> None:
        self._touched: dict[int, float] = {}
        self._unasked: set[int] = set()
        self._not_before: dict[int, float] = {}
        self._asked_at = 0.0
        self.ask_s = ASK_S
        """How often a job is asked about again: less often in a large fleet."""

    def add(self, job_ids: Iterable[int], now: float) -> None:
        """Add jobs in which batches ended.

        Args:
            now: The monotonic clock.
        """
        for job_id in job_ids:
            self._touched[job_id] = now
            self._unasked.add(job_id)

    @property
    def due_at(self) -> float:
        """Monotonic time at which jobs are asked about again; infinite without any."""
        return self._asked_at + self.ask_s if self._touched else math.inf

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
            A bounded number of jobs: those that seem over at once, all others from time to time.
        """
        jobs = [job_id for job_id in self._unasked if self._not_before.get(job_id, 0.0) <= now and seems_over(job_id)][
            :_AT_ONCE
        ]
        if now - self._asked_at >= self.ask_s:
            self._asked_at = now
            for job_id in list(self._touched)[:_AT_ONCE]:
                # To the end of the queue, so that with many jobs each gets its turn.
                touched_at = self._touched.pop(job_id)
                if now - touched_at < FORGET_S:
                    self._touched[job_id] = touched_at
                if self._not_before.get(job_id, 0.0) <= now:
                    self._not_before.pop(job_id, None)
                    jobs.append(job_id)
        self._unasked.difference_update(jobs)
        return list(dict.fromkeys(jobs))

    def postpone(self, job_id: int, now: float, *, for_s: float = _POSTPONED_S) -> None:
        """Ask about a job later: the database could not tell, perhaps because somebody has locked the job's row.

        Args:
            now: The monotonic clock.
            for_s: How much later.
        """
        self._touched[job_id] = now
        self._unasked.add(job_id)
        self._not_before[job_id] = now + for_s

    def remove(self, job_id: int) -> None:
        """Remove a finished job."""
        self._not_before.pop(job_id, None)
        self._touched.pop(job_id, None)
        self._unasked.discard(job_id)
