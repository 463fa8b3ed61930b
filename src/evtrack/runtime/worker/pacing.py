"""How much to take at once: what waits in front of a slot is at most half a second of measured work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch

HORIZON_S: Final = 0.5
"""Work in front of one slot; a slower batch waits alone."""

MAX_CLAIM: Final = 500
"""Batches of one claim: beyond it a statement gets no cheaper a batch."""

MAX_HELD: Final = 2 * MAX_CLAIM
"""Batches in hand: one claim at work while the next is fetched."""

_SLOT_BYTES: Final = 2 << 20
"""Payload in hand for each slot: more keeps no slot busier, and the worker's memory flat."""
_WEIGHT: Final = 0.2
_JOBS: Final = 4096
_LEAST_S: Final = 1e-6


class Pacing:
    """Learns how long batches run and how large they are, and says how many to take."""

    def __init__(self) -> None:
        self._run_s: dict[int, float] = {}
        self._bytes = 0.0

    def learn(self, rows: Sequence[ClaimedBatch], run_s: Sequence[float]) -> None:
        """Take the run times of batches that ended.

        Args:
            rows: The batches.
            run_s: How long each ran.
        """
        totals: dict[int, list[float]] = {}
        for row, seconds in zip(rows, run_s, strict=True):
            total = totals.get(row.job_id)
            if total is None:
                total = totals[row.job_id] = [0.0, 0]
            total[0] += seconds
            total[1] += 1
        for job_id, (seconds, count) in totals.items():
            mean = max(seconds / count, _LEAST_S)
            known = self._run_s.get(job_id)
            self._run_s[job_id] = mean if known is None else known + _WEIGHT * (mean - known)
        while len(self._run_s) > _JOBS:
            del self._run_s[next(iter(self._run_s))]

    def weigh(self, rows: Sequence[ClaimedBatch]) -> None:
        """Take the sizes of batches that came.

        Args:
            rows: The batches.
        """
        if rows:
            mean = sum([len(row.payload or b"") + len(row.item_keys or b"") for row in rows]) / len(rows)
            self._bytes = max(mean, self._bytes + _WEIGHT * (mean - self._bytes))

    def expected_s(self, job_id: int) -> float:
        """Tell how long a batch of a job will run.

        Args:
            job_id: The job.

        Returns:
            Seconds; a whole horizon while nothing is known, so that the first ones are taken one by one.
        """
        return self._run_s.get(job_id, HORIZON_S)

    def wish(self, job_ids: Iterable[int], *, slots: int, idle: int, held: int, held_s: float) -> int:
        """Say how many batches to claim.

        Args:
            job_ids: The jobs that the claim is shared among.
            slots: How many slots there are.
            idle: How many of them have nothing to do.
            held: Batches in hand.
            held_s: Work in hand.

        Returns:
            A number, 0 when there is enough.
        """
        each = [self.expected_s(job_id) for job_id in job_ids]
        if not each:
            return 0
        room = int((HORIZON_S * slots - held_s) / (sum(each) / len(each)))
        most = min(MAX_CLAIM, MAX_HELD - held)
        if self._bytes:
            most = min(most, int(_SLOT_BYTES * slots / self._bytes) - held)
        return min(max(room, 0), max(most, 0)) or idle
