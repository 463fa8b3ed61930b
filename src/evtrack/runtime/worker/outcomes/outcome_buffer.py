"""Collects the outcomes of batches until the database thread takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias

from evtrack.runtime.worker.outcomes.item_reports import batch_error, completed_items, failed_ordinals, item_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchErrored, BatchPartlyDone

# Each begins with the batch's key.
Completed: TypeAlias = "tuple[BatchKey, float, bytes | None, tuple[int, float] | None]"
"""Its run time, result lines, and peak memory in bytes with CPU time."""

Partly: TypeAlias = "tuple[BatchKey, float, bytes | None, str, list[dict[str, Any]]]"
"""Its run time, result lines, and the failed items' ordinals and errors."""

Failed: TypeAlias = "tuple[BatchKey, float, dict[str, Any]]"
"""Its run time and error."""

Crashed: TypeAlias = "tuple[BatchKey, dict[str, Any], str | None, bytes | None]"
"""Its crash report, and the completed items' ordinals and result lines."""

Returned: TypeAlias = "tuple[BatchKey]"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of batches, by kind. Who takes them from the buffer owns them.

    Args:
        completed: Batches that completed.
        partly: Batches in which some items failed.
        failed: Batches that failed as a whole.
        crashed: Batches whose process died.
        returned: Batches that did not run to their end.
    """

    completed: list[Completed] = field(default_factory=list)
    partly: list[Partly] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    crashed: list[Crashed] = field(default_factory=list)
    returned: list[Returned] = field(default_factory=list)

    def __len__(self) -> int:
        """Count the outcomes."""
        return len(self.completed) + len(self.partly) + len(self.failed) + len(self.crashed) + len(self.returned)


class OutcomeBuffer:
    """Collects outcomes, and hands all of them over at once."""

    def __init__(self) -> None:
        self._kept = Outcomes()
        self.since: float | None = None
        """Monotonic time of the oldest outcome; None when there is none."""

    def __len__(self) -> int:
        """Count the outcomes."""
        return len(self._kept)

    @property
    def has_crashed(self) -> bool:
        """Whether a batch is among them whose process died."""
        return bool(self._kept.crashed)

    def take(self) -> Outcomes:
        """Remove all outcomes.

        Returns:
            The outcomes, which are the caller's now.
        """
        taken, self._kept, self.since = self._kept, Outcomes(), None
        return taken

    def register(self, batches: Sequence[ClaimedBatch]) -> None:
        """Register claimed batches and the outcomes they owe."""

    def drop(self, keys: Iterable[BatchKey]) -> None:
        """Drop registered batches: another worker has them.

        Args:
            keys: The batches.
        """

    def drop_all(self) -> None:
        """Drop all registered batches: the worker was declared lost. Outcomes are kept, and recorded as late."""

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
        keys = [batch[:3] for batch in batches]
        measured: Iterable[tuple[int, float] | None] = repeat(None)
        if usage:
            by_place = {place: (peak, cpu_s) for place, peak, cpu_s in usage}
            measured = [by_place.get(place) for place in range(len(keys))]
        self._kept.completed.extend(zip(keys, run_s, results or repeat(None), measured, strict=False))
        self._added(now)

    def add_partly_done(self, batch: ClaimedBatch, frame: BatchPartlyDone, now: float) -> None:
        """Add a batch in which some items failed.

        Args:
            frame: The slot's report.
            now: The monotonic clock.
        """
        failures = frame.failures
        failed, errors = failed_ordinals(batch, failures), item_errors(batch, failures)
        self._kept.partly.append((batch.key, frame.run_s, frame.results, failed, errors))
        self._added(now)

    def add_failed(self, batch: ClaimedBatch, frame: BatchErrored, now: float) -> None:
        """Add a batch that failed as a whole.

        Args:
            frame: The slot's report.
            now: The monotonic clock.
        """
        self._kept.failed.append((batch.key, frame.run_s, batch_error(batch, frame)))
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
        self._kept.crashed.append((batch.key, report, *completed_items(batch, results)))
        self._added(now)

    def add_returned(self, batches: Sequence[ClaimedBatch], now: float) -> None:
        """Add batches that are given back: they did not run, or not to their end.

        Args:
            now: The monotonic clock.
        """
        if batches:
            self._kept.returned.extend((batch.key,) for batch in batches)
            self._added(now)

    def _added(self, now: float) -> None:
        if self.since is None:
            self.since = now
