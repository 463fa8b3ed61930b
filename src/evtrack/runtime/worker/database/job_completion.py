"""Which jobs may be over: each that this worker worked on is asked, soon and then from time to time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ASK_S: Final = 1.0
"""How often a job is asked again whether it is over."""

FORGET_S: Final = 60.0
"""How long after its last batch here a job is asked; then others, who had the last ones, have done so."""

_AT_ONCE: Final = 64


class JobCompletion:
    """Remembers the jobs that were touched until they are finished."""

    def __init__(self) -> None:
        self._touched: dict[int, float] = {}
        self._fresh: set[int] = set()
        self._asked_at = 0.0

    def touch(self, job_ids: Iterable[int], now: float) -> None:
        """Note that batches of jobs ended.

        Args:
            job_ids: The jobs.
            now: The monotonic clock.
        """
        for job_id in job_ids:
            self._touched[job_id] = now
            self._fresh.add(job_id)

    @property
    def is_pending(self) -> bool:
        """Whether a job was touched and not asked since."""
        return bool(self._fresh)

    def due(self, now: float, seems_over: Callable[[int], bool]) -> list[int]:
        """Choose the jobs to ask.

        Args:
            now: The monotonic clock.
            seems_over: Whether this worker knows of nothing that is left in a job.

        Returns:
            Jobs: those that seem over at once, all others each second, a bounded number.
        """
        jobs = [job_id for job_id in self._fresh if seems_over(job_id)][:_AT_ONCE]
        if now - self._asked_at >= ASK_S:
            self._asked_at = now
            for job_id in list(self._touched)[:_AT_ONCE]:
                # To the end of the queue, so that with many jobs each gets its turn.
                touched_at = self._touched.pop(job_id)
                if now - touched_at < FORGET_S:
                    self._touched[job_id] = touched_at
                jobs.append(job_id)
        self._fresh.difference_update(jobs)
        return list(dict.fromkeys(jobs))

    def finished(self, job_id: int) -> None:
        """Ask no more about a job.

        Args:
            job_id: The job.
        """
        self._touched.pop(job_id, None)
        self._fresh.discard(job_id)
