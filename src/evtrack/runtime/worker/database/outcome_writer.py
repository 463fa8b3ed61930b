"""Writes outcomes to the database, and claims batches in the same round trip."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.database_errors import ErrorScope, error_scope
from evtrack.domain.errors import EvtrackError, WorkerLost
from evtrack.domain.text import storable
from evtrack.runtime.slot.failures import MESSAGE_BOUND
from evtrack.runtime.worker.database.outcome_lane import OutcomeLane
from evtrack.runtime.worker.pacing import GROUP, MAX_CLAIM
from evtrack.storage.queue.records import Claim, CompletedBatches, ReportVerdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.worker.outcomes.outcome_buffer import Completed, Crashed, Failed, Outcomes, Partly, Returned
    from evtrack.storage.queue.queue import Queue

_CALL: Final = 100
"""Crashes or returned batches of one call."""

_CALL_BYTES: Final = 16 << 20
"""Results of one call with several batches: more would need too much of the server's memory and time at once."""

_ITEM_BYTES: Final = 2_000
"""What the error of an item counts for in a call."""

_ALERTING: Final = {"failed", "crashed", "split"}
_log = structlog.get_logger()


class OutcomeWriter:
    """Keeps outcomes until the database has accepted them, and writes them.

    An outcome that the database will never accept becomes a failure that says why; a failure that it will never accept
    is dropped, and reconciling gives the batch back.
    """

    def __init__(self) -> None:
        self.acknowledged: Counter[int] = Counter()
        """Acknowledged batches by job; the reader clears it."""
        self.has_requeued = False
        """Whether a batch went back to pending; the reader resets it."""
        self.may_have_alerted = False
        """Whether a report may have raised an alert; the reader resets it."""
        self.has_dropped = False
        """Whether an outcome was dropped, so that its batch must be given back; the reader resets it."""
        self._completed: OutcomeLane[Completed] = OutcomeLane(
            most=MAX_CLAIM, most_bytes=_CALL_BYTES, size_of=_result_bytes, on_refused=self._fail
        )
        self._partly: OutcomeLane[Partly] = OutcomeLane(
            most=GROUP, most_bytes=_CALL_BYTES, size_of=_partly_bytes, on_refused=self._fail
        )
        self._failed: OutcomeLane[Failed] = OutcomeLane(
            most=GROUP, most_bytes=_CALL_BYTES, size_of=_failure_bytes, on_refused=self._drop
        )
        self._crashed: OutcomeLane[Crashed] = OutcomeLane(most=_CALL, on_refused=self._fail)
        self._returned: OutcomeLane[Returned] = OutcomeLane(most=_CALL, on_refused=self._drop)
        self._lanes = (self._completed, self._partly, self._crashed, self._failed, self._returned)

    def __len__(self) -> int:
        """Count the outcomes that are not acknowledged."""
        return sum([len(lane) for lane in self._lanes])

    @property
    def due_at(self) -> float:
        """Monotonic time at which the first postponed outcome is due; infinite without any."""
        return min([lane.due_at for lane in self._lanes])

    @property
    def is_due(self) -> bool:
        """Whether a call that completes batches will be made anyway."""
        return self._completed.is_due

    @property
    def batches(self) -> list[BatchKey]:
        """The batches of all outcomes."""
        return [key for lane in self._lanes for key in lane.batches]

    def add(self, outcomes: Outcomes) -> None:
        """Add outcomes to write."""
        self._completed.add(outcomes.completed)
        self._partly.add(outcomes.partly)
        self._failed.add(outcomes.failed)
        self._crashed.add(outcomes.crashed)
        self._returned.add(outcomes.returned)

    def drop_returned(self) -> None:
        """Drop the batches to give back: the worker was declared lost, and others have them."""
        self._returned.clear()

    def write_crashed(self, queue: Queue, now: float) -> None:
        """Write the batches that are due and whose process died; these are few, and somebody may wait to hear of them.

        Args:
            now: The monotonic clock.

        Raises:
            EvtrackError: The server is at fault; what is not written is kept.
        """
        self._crashed.admit(now)
        if len(self._crashed):
            # What failed before the crash comes before it: the batches that both make are numbered in that order.
            self._partly.admit(now)
            self._write_partly(queue, now)
        self._crashed.write(lambda group: self._record(queue.crash(*_columns(group))), now)

    def write(self, queue: Queue, claim: Claim | None, now: float, batches: list[ClaimedBatch]) -> None:
        """Write all outcomes that are due, and claim batches in the same round trip.

        Args:
            claim: What to claim, if anything.
            now: The monotonic clock.
            batches: Gets the claimed batches, even if an error is raised later.

        Raises:
            EvtrackError: The server is at fault, or the claim is refused; what is not written is kept.
        """
        self.write_crashed(queue, now)
        for lane in self._lanes:
            lane.admit(now)
        if claim is not None:
            self._complete_and_claim(queue, claim, now, batches)
        self._completed.write(lambda group: self._complete(queue, group, None), now)
        self._write_partly(queue, now)
        # After those that may become failures.
        self._failed.write(lambda group: self._record(queue.fail(*_columns(group))), now)
        self._returned.write(lambda group: self._record(queue.requeue([key for (key,) in group], "stopping")), now)

    def _write_partly(self, queue: Queue, now: float) -> None:
        self._partly.write(lambda group: self._record(queue.complete_with_failures(*_columns(group))), now)

    def _complete_and_claim(self, queue: Queue, claim: Claim, now: float, batches: list[ClaimedBatch]) -> None:
        group = self._completed.group()
        if group:
            try:
                batches += self._complete(queue, group, claim)
            except EvtrackError as error:
                if error_scope(error) is ErrorScope.SERVER or isinstance(error, WorkerLost):
                    raise
                # Either of the two was refused: find out which.
                self._completed.write(lambda group: self._complete(queue, group, None), now)
            else:
                self._completed.accept(group)
                return
        batches += queue.complete_and_claim(None, claim)[1]

    def _complete(self, queue: Queue, group: Sequence[Completed], claim: Claim | None) -> list[ClaimedBatch]:
        keys, run_s, results, usage = zip(*group, strict=True)
        job_ids, batch_nos, attempts = zip(*keys, strict=True)
        done = CompletedBatches(
            job_ids, batch_nos, attempts, run_s, results if any(results) else None, usage if any(usage) else None
        )
        rejected, batches = queue.complete_and_claim(done, claim)
        self.acknowledged.update(job_ids)
        _log_rejected(rejected)
        return batches

    def _record(self, verdicts: Sequence[ReportVerdict]) -> None:
        self.acknowledged.update(verdict.job_id for verdict in verdicts)
        requeued = any(verdict.verdict in {"retry", "split", "ok"} for verdict in verdicts)
        self.has_requeued = self.has_requeued or requeued
        self.may_have_alerted = self.may_have_alerted or any(verdict.verdict in _ALERTING for verdict in verdicts)
        _log_rejected([verdict for verdict in verdicts if verdict.verdict in {"late", "unknown"}])

    def _fail(self, outcome: Completed | Partly | Crashed, error: EvtrackError) -> None:
        """Record an outcome that the database refuses as a failure."""
        key, run_s = outcome[:2]
        _log.error(log_names.RESULTS_REJECTED, **_named(key), error=str(error))
        failure = {"type": type(error).__name__, "message": storable(str(error), MESSAGE_BOUND)}
        self._failed.add([(key, run_s if isinstance(run_s, float) else 0.0, failure)])

    def _drop(self, outcome: Failed | Returned, error: EvtrackError) -> None:
        """Drop an outcome that the database refuses in any form: the batch is given back."""
        _log.error(log_names.OUTCOME_DROPPED, **_named(outcome[0]), error=str(error))
        self.has_dropped = True


def _result_bytes(outcome: Completed) -> int:
    return len(outcome[2] or b"")


def _partly_bytes(outcome: Partly) -> int:
    return len(outcome[2] or b"") + _ITEM_BYTES * len(outcome[4])


def _failure_bytes(outcome: Failed) -> int:
    return _ITEM_BYTES * (1 + len(outcome[2].get("items", ())))


def _columns(outcomes: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [list(column) for column in zip(*outcomes, strict=True)]


def _named(key: BatchKey) -> dict[str, int]:
    return dict(zip(("job_id", "batch_no", "attempt"), key, strict=True))


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
