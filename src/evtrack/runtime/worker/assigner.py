"""Decides which slot runs which batch: many share a slot, some need one for themselves, a few the whole worker."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.domain.claimed_batch import FRESH
from evtrack.runtime.slot.handlers import HandlerKind
from evtrack.runtime.worker.pacing import HORIZON_S, Pacing

if TYPE_CHECKING:
    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.worker.slots.pool import SlotPool
    from evtrack.runtime.worker.slots.process import SlotProcess
    from evtrack.runtime.worker.waiting_batches import WaitingBatches

STUCK_S: Final = 60.0
"""How long the worker keeps itself free for a batch for which it has no fresh slot."""


class Assigner:
    """Assigns waiting batches to slots.

    Args:
        waiting: The batches that no slot has yet.
        pacing: Knows how long batches run.
    """

    def __init__(self, waiting: WaitingBatches, pacing: Pacing) -> None:
        self._waiting = waiting
        self._pacing = pacing
        self._alone_in: SlotProcess | None = None
        self._stuck_since: float | None = None
        self._no_alone_until = 0.0

    @property
    def is_reserved(self) -> bool:
        """Whether the worker belongs to one batch, and may claim no more."""
        return bool(self._waiting.alone) or self._alone_in is not None

    def takes_alone(self, pool: SlotPool, now: float) -> bool:
        """Return whether the worker may claim a batch that needs it for itself.

        Args:
            now: The monotonic clock.

        Returns:
            Whether it may: not while it has one, not without a fresh slot, nor soon after one found no slot here.
        """
        return pool.has_fresh and not self.is_reserved and now >= self._no_alone_until

    def release(self, slot: SlotProcess) -> None:
        """Let other batches start: a slot has ended a batch, or has ended."""
        if slot is self._alone_in:
            self._alone_in = None

    def assign(self, pool: SlotPool) -> list[ClaimedBatch]:
        """Assign to the slots as many batches as they can run within the horizon.

        Returns:
            Batches to give back: no slot could be had for them.
        """
        waiting = self._waiting
        if self._alone_in is not None:
            return []
        if waiting.apart:
            self._assign_apart(pool)
        if waiting.shared:
            self._assign_shared(pool)
        if waiting.alone and not (waiting.shared or waiting.apart):
            return self._assign_alone(pool)
        return []

    def _assign_shared(self, pool: SlotPool) -> None:
        waiting = self._waiting.shared
        slots = [each for each in pool.working if not (each.held and each.held[0].isolation)]
        if self._waiting.apart:
            # These are about to be empty, and then get one of the batches that need a slot for themselves.
            slots.sort(key=lambda each: each.expected_s)
            del slots[: self._startable(pool, len(slots))]
        while waiting and slots:
            slot = min(slots, key=lambda each: (each.expected_s, len(each.held)))
            room = min(-(-len(waiting) // len(slots)), pool.remaining_batches(slot))
            batches: list[ClaimedBatch] = []
            expected_s = 0.0
            while waiting and len(batches) < room:
                more_s = self._pacing.expected_s(waiting[0].job_id)
                if (slot.held or batches) and slot.expected_s + expected_s + more_s > HORIZON_S:
                    break
                batches.append(waiting.popleft())
                expected_s += more_s
            if not batches:
                return
            slot.assign(batches, expected_s)
            pool.watch_writes(slot)

    def _assign_apart(self, pool: SlotPool) -> None:
        """Give each batch that needs a slot for itself an empty one, as long as there are any."""
        kept: list[ClaimedBatch] = []
        waiting = self._waiting.apart
        has_fresh = True
        while waiting and any(not slot.held for slot in pool.working):
            batch = waiting.popleft()
            if not has_fresh and self._needs_fresh_slot(batch, pool):
                kept.append(batch)
            elif not self._assign_to_empty(batch, pool):
                has_fresh = False
                kept.append(batch)
        waiting.extendleft(reversed(kept))

    def _assign_alone(self, pool: SlotPool) -> list[ClaimedBatch]:
        """Start the batch that needs the worker for itself, once nothing else runs."""
        if any(slot.held for slot in pool):
            self._stuck_since = None
            return []
        now = monotonic()
        batch = self._waiting.alone[0]
        if self._assign_to_empty(batch, pool):
            self._waiting.alone.popleft()
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > STUCK_S:
            # Perhaps another worker has a slot for it; meanwhile this one does what it can.
            self._stuck_since, self._no_alone_until = None, now + STUCK_S
            batches = list(self._waiting.alone)
            self._waiting.alone.clear()
            return batches
        return []

    def _assign_to_empty(self, batch: ClaimedBatch, pool: SlotPool) -> bool:
        if self._needs_fresh_slot(batch, pool):
            slot = pool.take_fresh()
        else:
            slot = next((each for each in pool.working if not each.held and pool.remaining_batches(each)), None)
        if slot is None:
            return False
        slot.assign([batch], self._pacing.expected_s(batch.job_id))
        pool.watch_writes(slot)
        if batch.runs_alone:
            self._alone_in = slot
        return True

    def _needs_fresh_slot(self, batch: ClaimedBatch, pool: SlotPool) -> bool:
        if batch.isolation not in FRESH:
            return False
        # A program is a new process each time.
        return next(filter(None, (slot.kind_of(batch) for slot in pool)), None) != HandlerKind.COMMAND

    def _startable(self, pool: SlotPool, most: int) -> int:
        """Count the batches that could start if there were empty slots for them, up to a number."""
        fresh = 1 if pool.has_fresh else 0
        count = 0
        for batch in self._waiting.apart:
            if self._needs_fresh_slot(batch, pool):
                count += fresh
                fresh = 0
            else:
                count += 1
            if count >= most:
                break
        return count
