"""Decides how many batches to claim at once: half a second of measured work for each slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch

HORIZON_S: Final = 0.5
"""Work assigned to one slot; a batch that takes longer is assigned alone."""

MAX_CLAIM: Final = 500
"""Batches of one claim: larger claims are no cheaper per batch."""

MAX_HELD: Final = 2 * MAX_CLAIM
"""Batches that a worker holds: one claim runs while the next is fetched."""

_SLOT_BYTES: Final = 2 << 20
"""Payload held for each slot: more would not keep a slot busier, but would make the worker's memory grow."""
_WEIGHT: Final = 0.2
_JOBS: Final = 4096
_LEAST_S: Final = 1e-6


class Pacing:
    """Learns run times and sizes of batches, and decides how many to claim."""

    def __init__(self) -> None:
        self._run_s: dict[int, float] = {}
        self._bytes = 0.0

    def learn_run_times(self, batches: Sequence[ClaimedBatch], run_s: Sequence[float]) -> None:
        """Learn from the run times of batches that ended.

        Args:
            run_s: Run time of each batch.
        """
        totals: dict[int, list[float]] = {}
        for batch, seconds in zip(batches, run_s, strict=True):
            total = totals.get(batch.job_id)
            if total is None:
                total = totals[batch.job_id] = [0.0, 0]
            total[0] += seconds
            total[1] += 1
        for job_id, (seconds, count) in totals.items():
            mean = max(seconds / count, _LEAST_S)
            known = self._run_s.get(job_id)
            self._run_s[job_id] = mean if known is None else known + _WEIGHT * (mean - known)
        while len(self._run_s) > _JOBS:
            del self._run_s[next(iter(self._run_s))]

    def learn_sizes(self, batches: Sequence[ClaimedBatch]) -> None:
        """Learn from the sizes of claimed batches."""
        if batches:
            mean = sum([len(batch.payload or b"") + len(batch.item_keys or b"") for batch in batches]) / len(batches)
            self._bytes = max(mean, self._bytes + _WEIGHT * (mean - self._bytes))

    def expected_s(self, job_id: int) -> float:
        """Return the expected run time of a batch of a job.

        Returns:
            Seconds; a whole horizon while nothing is known, so that the first batches are assigned one by one.
        """
        return self._run_s.get(job_id, HORIZON_S)

    def claim_size(self, job_ids: Iterable[int], *, slots: int, idle: int, held: int, held_s: float) -> int:
        """Decide how many batches to claim.

        Args:
            job_ids: The jobs to claim from, in equal shares.
            slots: How many slots there are.
            idle: How many of them have no batch.
            held: How many batches the worker holds.
            held_s: Their expected run time in total.

        Returns:
            The number; 0 when the worker holds enough.
        """
        each = [self.expected_s(job_id) for job_id in job_ids]
        if not each:
            return 0
        room = int((HORIZON_S * slots - held_s) / (sum(each) / len(each)))
        most = min(MAX_CLAIM, MAX_HELD - held)
        if self._bytes:
            most = min(most, int(_SLOT_BYTES * slots / self._bytes) - held)
        return min(max(room, 0), max(most, 0)) or idle
