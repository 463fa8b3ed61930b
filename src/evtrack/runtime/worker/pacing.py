"""Decides how many batches to claim at once: half a second of measured work for each slot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch

HORIZON_S: Final = 0.5
"""Work assigned to one slot; a batch that takes longer is assigned alone."""

MAX_CLAIM: Final = 500
"""Batches of one claim: larger claims are no cheaper per batch."""

MAX_HELD: Final = 2 * MAX_CLAIM
"""Batches that a worker holds: one claim runs while the next is fetched."""

GROUP: Final = MAX_CLAIM // 2
"""Batches that are worth a claim or a report of their own."""

_SLOT_BYTES: Final = 2 << 20
"""Payload held for each slot: more would not keep a slot busier, but would make the worker's memory grow."""
_WEIGHT: Final = 0.2
_JOBS: Final = 4096
_LEAST_S: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Room:
    """What a worker could run besides what it holds, at one moment.

    Args:
        slots: How many slots take batches.
        idle: How many of them have no batch.
        held: How many batches the worker holds.
        held_s: Their expected run time in total.
        is_reserved: Whether the worker belongs to one batch, and may claim no more.
        takes_alone: Whether it may claim a batch that needs it for itself.
        run_s: The measured run time of a batch, by job.
        batch_bytes: The size of a batch; 0 when none is known.
    """

    slots: int
    idle: int
    held: int = 0
    held_s: float = 0.0
    is_reserved: bool = False
    takes_alone: bool = False
    run_s: Mapping[int, float] = field(default_factory=dict)
    batch_bytes: float = 0.0

    @property
    def is_there(self) -> bool:
        """Whether more batches may be claimed."""
        return bool(self.idle) or (
            not self.is_reserved and self.held < MAX_HELD and self.held_s < HORIZON_S * self.slots
        )

    def claim_size(self, job_ids: Iterable[int], *, may_be_small: bool = False) -> int:
        """Decide how many batches to claim.

        Args:
            job_ids: The jobs to claim from, in equal shares.
            may_be_small: Whether a small claim costs no round trip of its own.

        Returns:
            The number; 0 when the worker holds enough, or a claim is not worth it yet.
        """
        mean_s = self._mean_s(job_ids)
        if not mean_s or self.is_reserved:
            return 0
        room = int((HORIZON_S * self.slots - self.held_s) / mean_s)
        most = min(MAX_CLAIM, MAX_HELD - self.held)
        if self.batch_bytes:
            most = min(most, int(_SLOT_BYTES * self.slots / self.batch_bytes) - self.held)
        count = min(max(room, 0), max(most, 0)) or self.idle
        return count if may_be_small or count >= GROUP or self._is_low else 0

    def after_claim(self, job_ids: Iterable[int]) -> Room:
        """Return the room that is left if the claim that runs now brings as many batches as a claim may.

        Args:
            job_ids: The jobs that it is from.
        """
        most = max(0, min(MAX_CLAIM, MAX_HELD - self.held))
        held_s = self.held_s + most * self._mean_s(job_ids)
        return replace(self, idle=0, held=self.held + most, held_s=held_s, takes_alone=False)

    def _mean_s(self, job_ids: Iterable[int]) -> float:
        each = [self.run_s.get(job_id, HORIZON_S) for job_id in job_ids]
        return sum(each) / len(each) if each else 0.0

    @property
    def _is_low(self) -> bool:
        """Whether slots are idle, or will be soon."""
        return bool(self.idle) or (self.held < MAX_HELD // 2 and self.held_s < HORIZON_S * self.slots / 2)


class Pacing:
    """Learns run times and sizes of batches."""

    def __init__(self) -> None:
        self.run_s: Mapping[int, float] = {}
        """The run time of a batch, by job; replaced and never changed, so that a `Room` may keep it."""
        self.batch_bytes = 0.0
        """The size of a batch; 0 when none is known."""

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
        learned = dict(self.run_s)
        for job_id, (seconds, count) in totals.items():
            mean = max(seconds / count, _LEAST_S)
            known = learned.get(job_id)
            learned[job_id] = mean if known is None else known + _WEIGHT * (mean - known)
        while len(learned) > _JOBS:
            del learned[next(iter(learned))]
        self.run_s = learned

    def learn_sizes(self, batches: Sequence[ClaimedBatch]) -> None:
        """Learn from the sizes of claimed batches."""
        if batches:
            mean = sum([len(batch.payload or b"") + len(batch.item_keys or b"") for batch in batches]) / len(batches)
            self.batch_bytes = max(mean, self.batch_bytes + _WEIGHT * (mean - self.batch_bytes))

    def expected_s(self, job_id: int) -> float:
        """Return the expected run time of a batch of a job.

        Returns:
            Seconds; a whole horizon while nothing is known, so that the first batches are assigned one by one.
        """
        return self.run_s.get(job_id, HORIZON_S)
