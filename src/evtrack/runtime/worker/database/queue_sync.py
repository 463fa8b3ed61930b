"""The conversation with the database: what is done goes there, what is to do comes from there."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.runtime.worker.database.claim_planner import ClaimPlanner
from evtrack.runtime.worker.database.job_completion import ASK_S, JobCompletion
from evtrack.runtime.worker.database.outcome_writer import OutcomeWriter
from evtrack.runtime.worker.pacing import MAX_CLAIM

if TYPE_CHECKING:
    from evtrack.runtime.worker.dispatcher import Dispatcher
    from evtrack.storage.queue.queue import Claim, Queue

REPORT_S: Final = 0.01
"""Age at which outcomes are reported although there are few."""

_GROUP: Final = MAX_CLAIM // 2
_log = structlog.get_logger()


class QueueSync:
    """Reports and claims, in one round trip where both are due.

    Args:
        workbench: Where batches go and outcomes come from.
        until_job: The job whose end is waited for.
    """

    def __init__(self, *, workbench: Dispatcher, until_job: int | None = None) -> None:
        self.until_job = until_job
        self.is_over = False
        """Whether the awaited job has ended."""
        self._bench = workbench
        self._reporting = OutcomeWriter(workbench.outcomes)
        self._claims = ClaimPlanner()
        self._finishing = JobCompletion()
        self._open: Counter[int] = Counter()
        self._asked_at = 0.0
        self._is_closed = False

    def turn(self, queue: Queue, now: float) -> None:
        """Say and take what is due.

        Args:
            queue: The queue.
            now: The monotonic clock.
        """
        if not self._is_closed and self._claims.is_stale(now) and self._bench.has_room:
            asked_at = monotonic()
            jobs = queue.claimable(self._claims.marks)
            self._claims.refresh(jobs, now=now, took_s=monotonic() - asked_at)
        claim = self._wish(now)
        if claim is not None or self._must_report(now):
            self._trade(queue, claim, now)
        self._finish(queue, now)

    def wake(self) -> None:
        """Look for work at the next turn."""
        self._claims.expire()

    def close(self) -> None:
        """Claim no more."""
        self._is_closed = True

    def reconcile(self, queue: Queue) -> None:
        """Find out, after a lost connection or answer, which batches are still this worker's.

        Args:
            queue: The queue, on a new connection.
        """
        held = self._bench.keys()
        verdicts = queue.reconcile(held + self._bench.outcomes.keys())
        lost = {(job_id, batch_no, attempt) for job_id, batch_no, attempt, verdict in verdicts if verdict == "lost"}
        requeued = sum(1 for *_, verdict in verdicts if verdict == "requeued")
        _log.info(log_names.RECONCILED, held=len(held), lost=len(lost.intersection(held)), requeued=requeued)
        # Outcomes of lost batches are sent all the same: if their commit went through, sending them again is no harm.
        self._bench.lose(lost)
        self._open = Counter([key[0] for key in held])
        self._claims.expire()

    def confess(self, queue: Queue) -> None:
        """Report what has come of batches that may be others' by now.

        Args:
            queue: The queue.
        """
        self._reporting.report(queue, None)
        self._reporting.settled.clear()

    def forget(self) -> None:
        """Start anew: the worker was declared lost."""
        self._bench.forget()
        self._open.clear()
        self._claims.expire()

    @property
    def is_drained(self) -> bool:
        """Whether nothing is claimable, in hand or unreported."""
        bench = self._bench
        idle = self._claims.is_empty and not self._claims.is_stale(monotonic())
        return idle and not bench.held and not len(bench.outcomes) and not self._finishing.is_pending

    def patience(self, now: float) -> float:
        """Tell how long nothing is due, if nothing happens.

        Args:
            now: The monotonic clock.

        Returns:
            Seconds.
        """
        since = self._bench.outcomes.since
        patience = 1.0 if since is None else since + REPORT_S - now
        if not self._is_closed and self._bench.idle:
            patience = min(patience, self._claims.patience(now))
        return max(0.0, patience)

    def _trade(self, queue: Queue, claim: Claim | None, now: float) -> None:
        reporting = self._reporting
        try:
            rows = reporting.report(queue, claim)
        finally:
            # Also when a later report of several failed: what was acknowledged before it is.
            self._open.subtract(reporting.settled)
            self._finishing.touch(reporting.settled, now)
            reporting.settled.clear()
            if reporting.came_back:
                reporting.came_back = False
                self._claims.expire()
        if claim is not None:
            self._claims.claimed(rows, now)
            self._open.update([row.job_id for row in rows])
            self._bench.take(rows)

    def _wish(self, now: float) -> Claim | None:
        bench = self._bench
        jobs = [] if self._is_closed else self._claims.candidates(now)
        if not jobs:
            return None
        count = bench.pacing.wish(jobs, slots=bench.slots, idle=bench.idle, held=bench.held, held_s=bench.held_s)
        if count and (bench.is_low or count >= _GROUP or self._must_report(now)):
            return self._claims.claim(jobs, count)
        return None

    def _must_report(self, now: float) -> bool:
        since = self._bench.outcomes.since
        if since is None:
            return False
        return len(self._bench.outcomes) >= _GROUP or now - since >= REPORT_S or self._bench.idle > 0

    def _finish(self, queue: Queue, now: float) -> None:
        known = self._is_closed or not self._claims.is_stale(now)

        def seems_over(job_id: int) -> bool:
            return known and self._open[job_id] <= 0 and job_id not in self._claims.listed

        for job_id in self._finishing.due(now, seems_over):
            if queue.finish_due(job_id):
                self._finishing.finished(job_id)
                self.is_over = self.is_over or job_id == self.until_job
                _log.info(log_names.JOB_FINISHED, job_id=job_id)
        if self.until_job is not None and now - self._asked_at >= ASK_S / 4:
            self._asked_at = now
            self.is_over = self.is_over or queue.job_phase(self.until_job) in {"finished", "cancelled", None}
        self._open = +self._open
