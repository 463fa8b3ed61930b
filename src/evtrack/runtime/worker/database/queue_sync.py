"""Synchronizes the worker with the queue: reports outcomes, claims batches, finishes jobs."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.runtime.worker.database.claim_planner import ClaimPlanner
from evtrack.runtime.worker.database.job_completion import ASK_S, JobCompletion
from evtrack.runtime.worker.database.mark_writer import MarkWriter
from evtrack.runtime.worker.database.outcome_writer import OutcomeWriter
from evtrack.runtime.worker.pacing import MAX_CLAIM

if TYPE_CHECKING:
    from evtrack.runtime.worker.dispatcher import Dispatcher
    from evtrack.storage.queue.queue import Queue
    from evtrack.storage.queue.records import Claim

REPORT_S: Final = 0.01
"""Age at which outcomes are reported even if there are few."""

_GROUP: Final = MAX_CLAIM // 2
_log = structlog.get_logger()


class QueueSync:
    """Reports and claims, in one round trip when both are due.

    Args:
        dispatcher: Takes claimed batches and collects outcomes.
    """

    def __init__(self, *, dispatcher: Dispatcher) -> None:
        self.until_job: int | None = None
        """The job to wait for."""
        self.is_job_over = False
        """Whether the awaited job has ended."""
        self._dispatcher = dispatcher
        self._writer = OutcomeWriter(dispatcher.outcomes)
        self._marks = MarkWriter(dispatcher)
        self._planner = ClaimPlanner()
        self._completion = JobCompletion()
        self._open: Counter[int] = Counter()
        self._asked_at = 0.0
        self._is_closed = False

    def run_once(self, queue: Queue, now: float) -> None:
        """Commit marks, and report and claim what is due.

        Args:
            now: The monotonic clock.
        """
        self._marks.write(queue)
        if not self._is_closed and self._planner.is_stale(now) and self._dispatcher.has_room:
            asked_at = monotonic()
            jobs = queue.claimable(self._planner.low_water_marks)
            takes_alone = self._dispatcher.takes_alone(now)
            self._planner.refresh(jobs, now=now, took_s=monotonic() - asked_at, takes_alone=takes_alone)
        claim = self._plan_claim(now)
        if claim is not None or self._is_report_due(now):
            self._report_and_claim(queue, claim, now)
        self._finish_jobs(queue, now)

    def expire(self) -> None:
        """Look for work in the next run."""
        self._planner.expire()

    def close(self) -> None:
        """Claim no more."""
        self._is_closed = True

    def reconcile(self, queue: Queue) -> None:
        """Find out, after a lost connection or answer, which batches still belong to this worker.

        Args:
            queue: The queue, on a new connection.
        """
        held = self._dispatcher.keys()
        verdicts = queue.reconcile(held + self._dispatcher.outcomes.keys())
        lost = {(job_id, batch_no, attempt) for job_id, batch_no, attempt, verdict in verdicts if verdict == "lost"}
        requeued = sum(1 for *_, verdict in verdicts if verdict == "requeued")
        _log.info(log_names.BATCHES_RECONCILED, held=len(held), lost=len(lost.intersection(held)), requeued=requeued)
        # Outcomes of lost batches are reported all the same: if they were committed before, that is harmless.
        self._dispatcher.drop(lost)
        self._open = Counter([key[0] for key in held])
        self._planner.expire()

    def report_late(self, queue: Queue) -> None:
        """Report the outcomes of batches that other workers may have by now."""
        self._writer.write(queue, None)
        self._writer.acknowledged.clear()

    def reset(self) -> None:
        """Drop all batches and start over: the worker was declared lost."""
        self._dispatcher.drop_all()
        self._open.clear()
        self._planner.expire()

    @property
    def is_drained(self) -> bool:
        """Whether no batch is claimable, held or unreported."""
        dispatcher = self._dispatcher
        idle = self._planner.is_empty and not self._planner.is_stale(monotonic())
        return idle and not dispatcher.held and not len(dispatcher.outcomes) and not self._completion.is_pending

    def due_in_s(self, now: float) -> float:
        """Return how long nothing is due, if nothing happens.

        Args:
            now: The monotonic clock.

        Returns:
            Seconds.
        """
        if len(self._dispatcher.marks):
            return 0.0
        since = self._dispatcher.outcomes.since
        due_s = 1.0 if since is None else since + REPORT_S - now
        if not self._is_closed and self._dispatcher.idle:
            due_s = min(due_s, self._planner.due_in_s(now))
        return max(0.0, due_s)

    def _report_and_claim(self, queue: Queue, claim: Claim | None, now: float) -> None:
        writer = self._writer
        try:
            batches = writer.write(queue, claim)
        finally:
            # Also when one of several calls failed: the database has acknowledged the calls before it.
            self._open.subtract(writer.acknowledged)
            self._completion.add(writer.acknowledged, now)
            writer.acknowledged.clear()
            if writer.has_requeued:
                writer.has_requeued = False
                self._planner.expire()
        if claim is not None:
            self._planner.record(batches, now)
            self._open.update([batch.job_id for batch in batches])
            self._dispatcher.add(batches)

    def _plan_claim(self, now: float) -> Claim | None:
        dispatcher = self._dispatcher
        jobs = [] if self._is_closed or dispatcher.is_reserved else self._planner.candidates(now)
        if not jobs:
            return None
        count = dispatcher.pacing.claim_size(
            jobs, slots=dispatcher.slots, idle=dispatcher.idle, held=dispatcher.held, held_s=dispatcher.held_s
        )
        if count and (dispatcher.is_low or count >= _GROUP or self._is_report_due(now)):
            takes_alone, is_free = dispatcher.takes_alone(now), not dispatcher.held
            return self._planner.plan(jobs, count, takes_alone=takes_alone, is_free=is_free)
        return None

    def _is_report_due(self, now: float) -> bool:
        since = self._dispatcher.outcomes.since
        if since is None:
            return False
        return len(self._dispatcher.outcomes) >= _GROUP or now - since >= REPORT_S or self._dispatcher.idle > 0

    def _finish_jobs(self, queue: Queue, now: float) -> None:
        known = self._is_closed or not self._planner.is_stale(now)

        def seems_over(job_id: int) -> bool:
            return known and self._open[job_id] <= 0 and job_id not in self._planner.listed

        for job_id in self._completion.due(now, seems_over):
            if queue.finish_due(job_id):
                self._completion.remove(job_id)
                self.is_job_over = self.is_job_over or job_id == self.until_job
                _log.info(log_names.JOB_FINISHED, job_id=job_id)
        if self.until_job is not None and now - self._asked_at >= ASK_S / 4:
            self._asked_at = now
            self.is_job_over = self.is_job_over or queue.job_phase(self.until_job) in {"finished", "cancelled", None}
        self._open = +self._open
