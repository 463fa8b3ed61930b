"""Writes outcomes to the database, and claims batches in the same round trip."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from evtrack.domain import log_names
from evtrack.domain.database_errors import StorageError
from evtrack.domain.errors import BadArgument, EvtrackError, IllegalEvent
from evtrack.domain.text import storable
from evtrack.runtime.slot.failures import MESSAGE_BOUND
from evtrack.runtime.worker.outcomes.item_reports import failed_ordinals, item_errors
from evtrack.storage.queue.queue import CANCELLED, Queue
from evtrack.storage.queue.records import Claim, CompletedBatches, ReportVerdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchPartlyDone
    from evtrack.runtime.worker.outcomes.outcome_buffer import OutcomeBuffer

_CALL: Final = 100
"""Failures, crashes or returned batches of one call."""

REJECTIONS: Final = (IllegalEvent, StorageError, BadArgument)
"""Errors with which the database rejects a report."""

_Outcome = TypeVar("_Outcome", bound=tuple[Any, ...])
_log = structlog.get_logger()


class OutcomeWriter:
    """Writes outcomes; an outcome that is not acknowledged stays in the buffer and is written again.

    Args:
        outcomes: The outcomes to write.
    """

    def __init__(self, outcomes: OutcomeBuffer) -> None:
        self._outcomes = outcomes
        self.acknowledged: Counter[int] = Counter()
        """Acknowledged batches by job; the reader clears it."""
        self.has_requeued = False
        """Whether a batch went back to pending; the reader resets it."""

    def write(self, queue: Queue, claim: Claim | None) -> list[ClaimedBatch]:
        """Write all outcomes, and claim batches in the same round trip.

        Args:
            claim: What to claim, if anything.

        Returns:
            The claimed batches.
        """
        kept = self._outcomes
        batches: list[ClaimedBatch] = []
        if kept.completed or claim is not None:
            batches = self._complete_and_claim(queue, claim)
        if len(kept):
            self._write_groups(kept.partly, lambda group: queue.complete_with_failures(*_partly_columns(group)))
            self._write_groups(kept.failed, lambda group: queue.fail(*_columns(group)))
            self._write_groups(kept.crashed, lambda group: queue.crash(*_columns(group)))
            self._write_groups(kept.returned, lambda keys: queue.requeue(keys, "stopping"))
        kept.since = None
        return batches

    def _complete_and_claim(self, queue: Queue, claim: Claim | None) -> list[ClaimedBatch]:
        kept = self._outcomes
        done = None
        job_ids: Sequence[int] = ()
        if kept.completed:
            job_ids, batch_nos, attempts, *_ = zip(*kept.completed, strict=True)
            results = kept.results if any(lines is not None for lines in kept.results) else None
            usage = [kept.usage.get(batch.key) for batch in kept.completed] if kept.usage else None
            done = CompletedBatches(job_ids, batch_nos, attempts, kept.run_s, results, usage)
        try:
            rejected, batches = queue.complete_and_claim(done, claim)
        except REJECTIONS as error:
            if done is None or is_temporary(error):
                raise
            self._complete_one_by_one(queue, error)
            return []
        kept.completed, kept.run_s, kept.results, kept.usage = [], [], [], {}
        self.acknowledged.update(job_ids)
        _log_rejected(rejected)
        return batches

    def _complete_one_by_one(self, queue: Queue, error: EvtrackError) -> None:
        """Find the batches whose results the database rejects, so that they do not hold up the others."""
        kept = self._outcomes
        _log.error(log_names.RESULTS_REJECTED, count=len(kept.completed), error=str(error))
        while kept.completed:
            key = kept.completed[0].key
            job_id, batch_no, attempt = key
            usage = [kept.usage.get(key)]
            alone = CompletedBatches([job_id], [batch_no], [attempt], kept.run_s[:1], kept.results[:1], usage)
            try:
                _log_rejected(queue.complete_and_claim(alone, None)[0])
                self.acknowledged.update([job_id])
            except REJECTIONS as rejection:
                if is_temporary(rejection):
                    raise
                failure = {"type": type(rejection).__name__, "message": storable(str(rejection), MESSAGE_BOUND)}
                kept.failed.append((key, kept.run_s[0], failure))
            del kept.completed[0], kept.run_s[0], kept.results[0]
            kept.usage.pop(key, None)

    def _write_groups(
        self,
        kept: list[_Outcome],
        call: Callable[[Sequence[_Outcome]], list[ReportVerdict]],
        *,
        group_size: int = _CALL,
    ) -> None:
        while kept:
            group = kept[:group_size]
            try:
                self._record(call(group))
            except REJECTIONS as error:
                if is_temporary(error):
                    raise
                if len(group) > 1:
                    group_size = 1  # one of them is rejected: find it
                    continue
                # Written again it would be rejected again, and hold up the worker forever.
                job_id, batch_no, attempt = _key(group[0])
                _log.error(
                    log_names.OUTCOME_DROPPED, job_id=job_id, batch_no=batch_no, attempt=attempt, error=str(error)
                )
            del kept[: len(group)]

    def _record(self, verdicts: Sequence[ReportVerdict]) -> None:
        self.acknowledged.update(verdict.job_id for verdict in verdicts)
        requeued = any(verdict.verdict in {"retry", "split", "ok"} for verdict in verdicts)
        self.has_requeued = self.has_requeued or requeued
        _log_rejected([verdict for verdict in verdicts if verdict.verdict in {"late", "unknown"}])


def _key(outcome: tuple[Any, ...]) -> BatchKey:
    # A returned batch is its key; any other outcome begins with its batch or its key.
    job_id, batch_no, attempt = (outcome if isinstance(outcome[0], int) else outcome[0])[:3]
    return job_id, batch_no, attempt


def _partly_columns(outcomes: Sequence[tuple[ClaimedBatch, BatchPartlyDone]]) -> list[Any]:
    return _columns(
        [
            (
                batch.key,
                frame.run_s,
                frame.results,
                failed_ordinals(batch, frame.failures),
                item_errors(batch, frame.failures),
            )
            for batch, frame in outcomes
        ]
    )


def _columns(outcomes: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [list(column) for column in zip(*outcomes, strict=True)]


def is_temporary(error: EvtrackError) -> bool:
    """Return whether a rejected report may be accepted when it is made again."""
    return isinstance(error, StorageError) and error.sqlstate == CANCELLED


def _log_rejected(rejected: Sequence[ReportVerdict]) -> None:
    if rejected:
        _log.warning(
            log_names.OUTCOMES_REJECTED,
            count=len(rejected),
            job_id=rejected[0].job_id,
            batch_no=rejected[0].batch_no,
            verdict=rejected[0].verdict,
            hint="another attempt has the batch, or it has ended; the outcome of this attempt is dropped",
        )
