"""Takes outcomes to the database, and batches from there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, EvtrackError, IllegalEvent, StorageError
from evtrack.domain.text import storable
from evtrack.runtime.slot.failures import MESSAGE_BOUND
from evtrack.runtime.worker.outcomes.item_reports import failed_ordinals, item_errors
from evtrack.storage.queue.queue import CANCELLED, Claim, CompletedBatches, Queue, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchPartlyDone
    from evtrack.runtime.worker.outcomes.outcome_buffer import OutcomeBuffer

_CALL: Final = 100
"""Failures, crashes or returns in one call."""

_REFUSALS: Final = (IllegalEvent, StorageError, BadArgument)

_Outcome = TypeVar("_Outcome", bound=tuple[Any, ...])
_log = structlog.get_logger()


class OutcomeWriter:
    """Reports outcomes; what is not acknowledged stays with them, and is sent again.

    Args:
        outcomes: What to report.
    """

    def __init__(self, outcomes: OutcomeBuffer) -> None:
        self._outcomes = outcomes
        self.settled: Counter[int] = Counter()
        """Acknowledged batches by job; whoever reads it empties it."""
        self.came_back = False
        """Whether a batch went back to pending; whoever reads it sets it back."""

    def report(self, queue: Queue, claim: Claim | None) -> list[ClaimedBatch]:
        """Report all, and claim more in the same round trip.

        Args:
            queue: Where to.
            claim: What to take.

        Returns:
            The claimed batches.
        """
        kept = self._outcomes
        rows: list[ClaimedBatch] = []
        if kept.rows or claim is not None:
            rows = self._done(queue, claim)
        if len(kept):
            self._send(kept.partly, lambda group: self._partly(queue, *group[0]), at_once=1)
            self._send(kept.failed, lambda group: queue.fail(*_columns(group)))
            self._send(kept.crashed, lambda group: queue.crash(*_columns(group)))
            self._send(kept.returned, lambda keys: queue.requeue(keys, "stopping"))
        kept.since = None
        return rows

    def _done(self, queue: Queue, claim: Claim | None) -> list[ClaimedBatch]:
        kept = self._outcomes
        done = None
        job_ids: Sequence[int] = ()
        if kept.rows:
            job_ids, batch_nos, attempts, *_ = zip(*kept.rows, strict=True)
            results = kept.results if any(lines is not None for lines in kept.results) else None
            done = CompletedBatches(job_ids, batch_nos, attempts, kept.run_s, results)
        try:
            refusals, rows = queue.complete_and_claim(done, claim)
        except _REFUSALS as error:
            if done is None or _may_pass(error):
                raise
            self._part(queue, error)
            return []
        kept.rows, kept.run_s, kept.results = [], [], []
        self.settled.update(job_ids)
        _tell_refused(refusals)
        return rows

    def _part(self, queue: Queue, error: EvtrackError) -> None:
        """Find the batches whose results the database refuses, so that they do not hold up the others."""
        kept = self._outcomes
        _log.error(log_names.RESULTS_REFUSED, count=len(kept.rows), error=str(error))
        while kept.rows:
            job_id, batch_no, attempt, *_ = kept.rows[0]
            alone = CompletedBatches([job_id], [batch_no], [attempt], kept.run_s[:1], kept.results[:1])
            try:
                _tell_refused(queue.complete_and_claim(alone, None)[0])
                self.settled.update([job_id])
            except _REFUSALS as refusal:
                if _may_pass(refusal):
                    raise
                told = {"type": type(refusal).__name__, "message": storable(str(refusal), MESSAGE_BOUND)}
                kept.failed.append(((job_id, batch_no, attempt), kept.run_s[0], told))
            del kept.rows[0], kept.run_s[0], kept.results[0]

    def _partly(self, queue: Queue, row: ClaimedBatch, frame: BatchPartlyDone) -> list[Verdict]:
        verdict = queue.complete_partly(
            row.key,
            run_s=frame.run_s,
            results=frame.results,
            failed=failed_ordinals(row, frame.failures),
            errors=item_errors(row, frame.failures),
        )
        return [Verdict(row.job_id, row.batch_no, verdict)]

    def _send(
        self,
        kept: list[_Outcome],
        call: Callable[[Sequence[_Outcome]], list[Verdict]],
        *,
        at_once: int = _CALL,
    ) -> None:
        while kept:
            group = kept[:at_once]
            try:
                self._judge(call(group))
            except _REFUSALS as error:
                if _may_pass(error):
                    raise
                if len(group) > 1:
                    at_once = 1  # one of them is refused: find it
                    continue
                # Sent again it would be refused again, and the worker would never get on.
                job_id, batch_no, attempt = _key(group[0])
                _log.error(
                    log_names.OUTCOME_DROPPED, job_id=job_id, batch_no=batch_no, attempt=attempt, error=str(error)
                )
            del kept[: len(group)]

    def _judge(self, verdicts: Sequence[Verdict]) -> None:
        self.settled.update(verdict.job_id for verdict in verdicts)
        self.came_back = self.came_back or any(verdict.verdict in {"retry", "split", "ok"} for verdict in verdicts)
        _tell_refused([verdict for verdict in verdicts if verdict.verdict in {"late", "unknown"}])


def _key(outcome: tuple[Any, ...]) -> BatchKey:
    # A batch given back is its key; of the others the first part is, or begins with, theirs.
    job_id, batch_no, attempt = (outcome if isinstance(outcome[0], int) else outcome[0])[:3]
    return job_id, batch_no, attempt


def _columns(outcomes: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [list(column) for column in zip(*outcomes, strict=True)]


def _may_pass(error: EvtrackError) -> bool:
    return isinstance(error, StorageError) and error.sqlstate == CANCELLED


def _tell_refused(refused: Sequence[Verdict]) -> None:
    if refused:
        _log.warning(
            log_names.OUTCOMES_REFUSED,
            count=len(refused),
            job_id=refused[0].job_id,
            batch_no=refused[0].batch_no,
            verdict=refused[0].verdict,
            hint="another attempt has the batch, or it ended otherwise; what this attempt did is dropped",
        )
