"""Keeps the outcomes of batches until the database has accepted them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evtrack.runtime.worker.outcomes.item_reports import batch_error, completed_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchErrored, BatchPartlyDone


class OutcomeBuffer:
    """Collects outcomes; `OutcomeWriter` removes those that the database has acknowledged."""

    def __init__(self) -> None:
        self.completed: list[ClaimedBatch] = []
        """Completed batches; `run_s` and `results` are parallel to it."""
        self.run_s: list[float] = []
        self.results: list[bytes | None] = []
        self.usage: dict[BatchKey, tuple[int, float]] = {}
        """Peak memory in bytes and CPU time of those completed batches for which they were measured."""
        self.partly: list[tuple[ClaimedBatch, BatchPartlyDone]] = []
        self.failed: list[tuple[BatchKey, float, dict[str, Any]]] = []
        self.crashed: list[tuple[BatchKey, dict[str, Any], str | None, bytes | None]] = []
        self.returned: list[BatchKey] = []
        self.since: float | None = None
        """Monotonic time of the oldest outcome; None when there is none."""

    def __len__(self) -> int:
        """Count the outcomes."""
        return len(self.completed) + len(self.partly) + len(self.failed) + len(self.crashed) + len(self.returned)

    def register(self, batches: Sequence[ClaimedBatch]) -> None:
        """Register claimed batches and the outcomes they owe."""

    def drop(self, keys: Iterable[BatchKey]) -> None:
        """Drop registered batches: another worker has them.

        Args:
            keys: The batches.
        """

    def add_completed(
        self,
        batches: Sequence[ClaimedBatch],
        run_s: Sequence[float],
        results: Sequence[bytes | None] | None,
        now: float,
        usage: Sequence[tuple[int, int, float]] = (),
    ) -> None:
        """Add batches that completed.

        Args:
            run_s: Run time of each batch.
            results: Result lines of each batch; None when no batch has any.
            now: The monotonic clock.
            usage: Peak memory and CPU time of some batches, with their place among these.
        """
        self.completed += batches
        self.usage.update({batches[place].key: (peak, cpu_s) for place, peak, cpu_s in usage})
        self.run_s += run_s
        self.results += results if results is not None else [None] * len(batches)
        self._added(now)

    def add_partly_done(self, batch: ClaimedBatch, frame: BatchPartlyDone, now: float) -> None:
        """Add a batch in which some items failed.

        Args:
            frame: The slot's report.
            now: The monotonic clock.
        """
        self.partly.append((batch, frame))
        self._added(now)

    def add_failed(self, batch: ClaimedBatch, frame: BatchErrored, now: float) -> None:
        """Add a batch that failed as a whole.

        Args:
            frame: The slot's report.
            now: The monotonic clock.
        """
        self.failed.append((batch.key, frame.run_s, batch_error(batch, frame)))
        self._added(now)

    def add_crashed(
        self, batch: ClaimedBatch, report: dict[str, Any], results: Mapping[int, bytes], now: float
    ) -> None:
        """Add a batch whose process died.

        Args:
            report: The crash report.
            results: Results of the items that were completed before, by index.
            now: The monotonic clock.
        """
        self.crashed.append((batch.key, report, *completed_items(batch, results)))
        self._added(now)

    def add_returned(self, batches: Sequence[ClaimedBatch], now: float) -> None:
        """Add batches that are given back: they did not run, or not to their end.

        Args:
            now: The monotonic clock.
        """
        if batches:
            self.returned += [batch.key for batch in batches]
            self._added(now)

    def keys(self) -> list[BatchKey]:
        """List all batches whose outcome is not acknowledged."""
        keys = [batch.key for batch in self.completed] + [batch.key for batch, _ in self.partly]
        keys += [key for key, *_ in self.failed] + [key for key, *_ in self.crashed]
        return keys + self.returned

    def clear(self) -> None:
        """Drop everything: the worker was declared lost, so other workers have its batches."""
        for kept in (self.completed, self.run_s, self.results, self.partly, self.failed, self.crashed, self.returned):
            kept.clear()
        self.usage.clear()
        self.since = None

    def _added(self, now: float) -> None:
        if self.since is None:
            self.since = now
