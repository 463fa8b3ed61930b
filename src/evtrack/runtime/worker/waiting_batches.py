"""Claimed batches that no slot has yet, by what they may run beside."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch


class WaitingBatches:
    """Keeps waiting batches in order, those that need a slot or the worker for themselves apart from the others."""

    def __init__(self) -> None:
        self.shared: deque[ClaimedBatch] = deque()
        """Batches that share a slot with others."""
        self.apart: deque[ClaimedBatch] = deque()
        """Batches that need a slot for themselves."""
        self.alone: deque[ClaimedBatch] = deque()
        """Batches that need the worker for themselves."""

    def __len__(self) -> int:
        """Count the batches."""
        return len(self.shared) + len(self.apart) + len(self.alone)

    def __iter__(self) -> Iterator[ClaimedBatch]:
        """Iterate over the batches."""
        for queue in (self.shared, self.apart, self.alone):
            yield from queue

    def add(self, batches: Sequence[ClaimedBatch]) -> None:
        """Add batches at the end."""
        if not any(batch.isolation for batch in batches):
            self.shared.extend(batches)
            return
        for batch in batches:
            self._queue_of(batch).append(batch)

    def put_back(self, batches: list[ClaimedBatch]) -> None:
        """Add batches at the front: they were assigned, and have not begun."""
        for batch in reversed(batches):
            self._queue_of(batch).appendleft(batch)

    def remove(self, keys: Container[BatchKey]) -> None:
        """Remove the batches with these keys."""
        for queue in (self.shared, self.apart, self.alone):
            kept = [batch for batch in queue if batch.key not in keys]
            queue.clear()
            queue.extend(kept)

    def take_all(self) -> list[ClaimedBatch]:
        """Remove all batches.

        Returns:
            The batches.
        """
        batches = list(self)
        for queue in (self.shared, self.apart, self.alone):
            queue.clear()
        return batches

    def _queue_of(self, batch: ClaimedBatch) -> deque[ClaimedBatch]:
        if not batch.isolation:
            return self.shared
        return self.alone if batch.runs_alone else self.apart
