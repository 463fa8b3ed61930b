"""What became of batches, kept until the database has taken it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evtrack.runtime.worker.outcomes.item_reports import batch_error, done_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchErrored, BatchPartlyDone


class OutcomeBuffer:
    """Gathers outcomes; `OutcomeWriter` takes away what was acknowledged."""

    def __init__(self) -> None:
        self.rows: list[ClaimedBatch] = []
        """Completed batches; `run_s` and `results` are parallel to it."""
        self.run_s: list[float] = []
        self.results: list[bytes | None] = []
        self.partly: list[tuple[ClaimedBatch, BatchPartlyDone]] = []
        self.failed: list[tuple[BatchKey, float, dict[str, Any]]] = []
        self.crashed: list[tuple[BatchKey, dict[str, Any], str | None, bytes | None]] = []
        self.returned: list[BatchKey] = []
        self.since: float | None = None
        """When the oldest came; None when there are none."""

    def __len__(self) -> int:
        """Count the outcomes."""
        return len(self.rows) + len(self.partly) + len(self.failed) + len(self.crashed) + len(self.returned)

    def expect(self, rows: Sequence[ClaimedBatch]) -> None:
        """Hear of claimed batches, whose outcomes will come.

        Args:
            rows: The batches.
        """

    def lose(self, keys: Iterable[BatchKey]) -> None:
        """Hear of batches whose outcomes will not come.

        Args:
            keys: The batches.
        """

    def done(
        self, rows: Sequence[ClaimedBatch], run_s: Sequence[float], results: Sequence[bytes | None] | None, now: float
    ) -> None:
        """Take batches that completed.

        Args:
            rows: The batches.
            run_s: How long each ran.
            results: The result lines of each; None when there are none at all.
            now: The monotonic clock.
        """
        self.rows += rows
        self.run_s += run_s
        self.results += results if results is not None else [None] * len(rows)
        self._note(now)

    def partly_done(self, row: ClaimedBatch, frame: BatchPartlyDone, now: float) -> None:
        """Take a batch some of whose items failed.

        Args:
            row: The batch.
            frame: What the slot says.
            now: The monotonic clock.
        """
        self.partly.append((row, frame))
        self._note(now)

    def fail(self, row: ClaimedBatch, frame: BatchErrored, now: float) -> None:
        """Take a batch that failed.

        Args:
            row: The batch.
            frame: What the slot says.
            now: The monotonic clock.
        """
        self.failed.append((row.key, frame.run_s, batch_error(row, frame)))
        self._note(now)

    def crash(self, row: ClaimedBatch, dossier: dict[str, Any], notes: Mapping[int, bytes], now: float) -> None:
        """Take a batch whose process died.

        Args:
            row: The batch.
            dossier: What is known of the death.
            notes: Results of the items that were done before, by place.
            now: The monotonic clock.
        """
        self.crashed.append((row.key, dossier, *done_items(row, notes)))
        self._note(now)

    def give_back(self, rows: Sequence[ClaimedBatch], now: float) -> None:
        """Take batches that did not run to their end.

        Args:
            rows: The batches.
            now: The monotonic clock.
        """
        if rows:
            self.returned += [row.key for row in rows]
            self._note(now)

    def keys(self) -> list[BatchKey]:
        """Name all batches whose outcome is not acknowledged."""
        keys = [row.key for row in self.rows] + [row.key for row, _ in self.partly]
        keys += [key for key, *_ in self.failed] + [key for key, *_ in self.crashed]
        return keys + self.returned

    def forget(self) -> None:
        """Drop everything: the worker was declared lost, and nothing of this is its own any more."""
        for kept in (self.rows, self.run_s, self.results, self.partly, self.failed, self.crashed, self.returned):
            kept.clear()
        self.since = None

    def _note(self, now: float) -> None:
        if self.since is None:
            self.since = now
