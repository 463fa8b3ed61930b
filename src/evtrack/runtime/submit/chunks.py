"""Collects closed batches until they are worth a transaction."""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Any

from evtrack.domain.batching import ItemBatch
from evtrack.runtime.submit.notes import Notes
from evtrack.storage.submission.open_job import Chunk, OpenJob
from evtrack.storage.submission.payload_copy import PayloadRows, StoredItem

CHUNK_BATCHES = 5_000
CHUNK_BYTES = 2 * 1024 * 1024
CHUNK_S = 1.0


class ChunkBuilder:
    """Numbers batches and their items, and packs them for COPY.

    Args:
        job: The job in its state at the start.
        max_batches: A chunk is due when it has this many batches.
        max_bytes: A chunk is due when it has this many bytes.
        max_age_s: A chunk is due this long after its first batch, so that the items of a slow source appear.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        job: OpenJob,
        *,
        max_batches: int = CHUNK_BATCHES,
        max_bytes: int = CHUNK_BYTES,
        max_age_s: float = CHUNK_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.batches = job.batch_count
        self.items = job.item_count
        self.ahead = 0
        """How far the job's batch numbers are ahead of these; set it only while no batch is collected."""
        self._max_batches, self._max_bytes, self._max_age_s, self._clock = max_batches, max_bytes, max_age_s, clock
        self._rows = PayloadRows(job_day=job.job_day, job_id=job.job_id)
        self._begun_at = clock()
        self._item_counts: list[int] = []
        self._weights: list[int] = []
        self._first_ordinals: list[int] = []
        self.notes = Notes()

    def __len__(self) -> int:
        """Count the collected batches."""
        return len(self._item_counts)

    @property
    def room(self) -> int:
        """How many more batches fit in the chunk."""
        return self._max_batches - len(self._item_counts)

    @property
    def is_full(self) -> bool:
        """Whether the chunk has its maximum size."""
        return self.room <= 0 or self._rows.size >= self._max_bytes

    @property
    def is_due(self) -> bool:
        """Whether the chunk is full or old enough to be written."""
        if not (self._item_counts or self.notes.total):
            self._begun_at = self._clock()
            return False
        return self.is_full or self._clock() - self._begun_at >= self._max_age_s

    def add(self, batches: Sequence[ItemBatch[StoredItem]]) -> int:
        """Add closed batches.

        Returns:
            How many items are in them.
        """
        items, weights = list(map(itemgetter(0), batches)), map(itemgetter(1), batches)
        counts = list(map(len, items))
        *first_ordinals, following = accumulate(counts, initial=self.items + 1)
        self._rows.add(self.batches + self.ahead + 1, self.items + 1, items)
        self._item_counts += counts
        self._weights += weights
        self._first_ordinals += first_ordinals
        added = following - self.items - 1
        self.batches += len(counts)
        self.items += added
        return added

    def take(self, *, position: Mapping[str, Any], bytes_read: int) -> Chunk:
        """Return the collected batches as a chunk, and start a new one.

        Args:
            position: Where reading continues after it.
            bytes_read: How much of the source was read.
        """
        invalid, notes = self.notes.take()
        chunk = Chunk(
            first_batch_no=self.batches + self.ahead - len(self._item_counts) + 1,
            item_counts=self._item_counts,
            weights=self._weights,
            first_ordinals=self._first_ordinals,
            rows=self._rows.take() if self._item_counts else (),
            position=position,
            bytes_read=bytes_read,
            invalid=invalid,
            notes=notes,
        )
        self._item_counts, self._weights, self._first_ordinals = [], [], []
        self._begun_at = self._clock()
        return chunk
