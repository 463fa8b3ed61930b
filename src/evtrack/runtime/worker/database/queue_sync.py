"""Synchronizes the worker with the queue: reports outcomes, claims batches, finishes jobs. The database thread's."""

from __future__ import annotations

import math
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.database_errors import ErrorScope, error_scope
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.worker.database.claim_planner import ClaimPlanner
from evtrack.runtime.worker.database.exchange import Outlook
from evtrack.runtime.worker.database.job_completion import ASK_S, JobCompletion
from evtrack.runtime.worker.database.mark_writer import MarkWriter
from evtrack.runtime.worker.database.outcome_writer import OutcomeWriter
from evtrack.runtime.worker.pacing import MAX_HELD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import BatchKey
    from evtrack.runtime.worker.database.exchange import Answers, Request
    from evtrack.runtime.worker.outcomes.outcome_buffer import Outcomes
    from evtrack.runtime.worker.pacing import Room
    from evtrack.storage.queue.queue import Queue
    from evtrack.storage.queue.records import Claim

_PHASE_S: Final = ASK_S / 4
"""How often the awaited job is looked at."""

_log = structlog.get_logger()


class QueueSync:
    """Reports and claims, in one round trip when both are due."""

    def __init__(self) -> None:
        self.is_job_over = False
        """Whether the awaited job has ended."""
        self._writer = OutcomeWriter()
        self._marks = MarkWriter()
        self._planner = ClaimPlanner()
        self._completion = JobCompletion()
        self._open: Counter[int] = Counter()
        self._until_job: int | None = None
        self._has_backoff = False
        self._asked_at = 0.0

    @property
    def unreported(self) -> int:
        """How many outcomes are not acknowledged."""
        return len(self._writer)

    def add(self, outcomes: Outcomes) -> None:
        """Add outcomes to report."""
        self._writer.add(outcomes)

    def set_pace(self, seconds: float) -> None:
        """Set how often to ask what a notification, or another worker's question, answers sooner in most cases.

        Args:
            seconds: How many.
        """
        self._planner.idle_s = seconds
        self._completion.ask_s = max(ASK_S, seconds)

    def expire_list(self) -> None:
        """Read the list of claimable jobs at the next exchange."""
        self._planner.expire()

    def run(self, queue: Queue, request: Request, answers: Answers) -> bool:
        """Commit marks, and report and claim what is due.

        Args:
            request: What the supervisor wants.
            answers: Gets what was achieved, even if an error is raised later.

        Returns:
            Whether the database may count batches as this worker's that it has not.

        Raises:
            EvtrackError: Something was not achieved, and may be tried again.
        """
        now = monotonic()
        self._until_job = request.until_job
        if request.has_news:
            if self._claim_next(queue, request, answers, now):
                self._finish_jobs(queue, now, is_closed=False)
                self._wake_watchers(queue)
                return False
            self._planner.expire()
        has_given_up = self._marks.write(queue, request.marks, answers.marks)
        self._writer.write_crashed(queue, now)
        if self._writer.has_requeued:
            # What a crash has left can be claimed in this exchange.
            self._writer.has_requeued = False
            self._planner.expire()
        room = request.room if len(self._writer) <= MAX_HELD else None
        if room is not None and room.is_there and self._planner.is_stale(now):
            jobs = queue.claimable(self._planner.low_water_marks)
            took_s = monotonic() - now
            self._planner.refresh(jobs, now=now, took_s=took_s, takes_alone=room.takes_alone)
            if request.is_draining and not jobs:
                self._note_backoff(has_backoff=queue.has_backoff())
        self._report_and_claim(queue, self._plan_claim(room, now), answers, now)
        self._finish_jobs(queue, now, is_closed=request.room is None and not request.is_outdated)
        self._wake_watchers(queue)
        has_dropped, self._writer.has_dropped = self._writer.has_dropped, False
        return has_given_up or has_dropped

    def reconcile(self, queue: Queue, held: Sequence[BatchKey]) -> set[BatchKey]:
        """Find out, after a lost connection or answer, which batches still belong to this worker.

        Args:
            queue: The queue.
            held: The batches without an outcome.

        Returns:
            Those of them that belong to others.
        """
        verdicts = queue.reconcile([*held, *self._writer.batches])
        lost = {(job_id, batch_no, attempt) for job_id, batch_no, attempt, verdict in verdicts if verdict == "lost"}
        requeued = sum(1 for *_, verdict in verdicts if verdict == "requeued")
        # Outcomes of lost batches are reported all the same: if they were committed before, that is harmless.
        lost.intersection_update(held)
        _log.info(log_names.BATCHES_RECONCILED, held=len(held), lost=len(lost), requeued=requeued)
        self._open = Counter([key[0] for key in held])
        self._planner.forget_marks()
        return lost

    def report_late(self, queue: Queue) -> None:
        """Report the outcomes of a worker that was declared lost: others may have the batches by now."""
        self._writer.drop_returned()
        self._writer.write(queue, None, monotonic(), [])
        self._writer.acknowledged.clear()

    def reset(self) -> None:
        """Start over: the worker was declared lost. Its outcomes are kept."""
        self._open.clear()
        self._planner.forget_marks()

    def outlook(self) -> Outlook:
        """Return what may be due next."""
        planner = self._planner
        phase_at = self._asked_at + _PHASE_S if self._until_job is not None else math.inf
        return Outlook(
            job_ids=planner.next_jobs(),
            list_at=planner.list_at,
            claim_at=planner.claim_at,
            report_at=self._writer.due_at,
            finish_at=min(phase_at, self._completion.due_at),
            is_idle=planner.is_empty and not self._completion.is_pending and not self._has_backoff,
        )

    def _claim_next(self, queue: Queue, request: Request, answers: Answers, now: float) -> bool:
        """Claim for idle slots what a notification announces, if there is nothing else to do.

        Returns:
            Whether that was all there is to do now.
        """
        room = request.room
        if room is None or not room.idle or request.marks or request.is_draining or len(self._writer):
            return False
        batches, has_more = queue.claim_next(room.idle, self._planner.low_water_marks)
        answers.batches += batches
        self._open.update([batch.job_id for batch in batches])
        self._planner.record_next(has_more=has_more, now=now)
        return bool(batches) or not has_more

    def _report_and_claim(self, queue: Queue, claim: Claim | None, answers: Answers, now: float) -> None:
        writer = self._writer
        try:
            writer.write(queue, claim, now, answers.batches)
        except EvtrackError as error:
            if claim is not None and error_scope(error) is not ErrorScope.SERVER:
                self._planner.narrow()
            raise
        finally:
            # Also when one of several calls failed: the database has acknowledged the calls before it.
            self._open.update([batch.job_id for batch in answers.batches])
            self._open.subtract(writer.acknowledged)
            self._completion.add(writer.acknowledged, now)
            writer.acknowledged.clear()
            if writer.has_requeued:
                writer.has_requeued = False
                self._planner.expire()
        if claim is not None:
            self._planner.record(answers.batches, now)

    def _note_backoff(self, *, has_backoff: bool) -> None:
        if has_backoff and not self._has_backoff:
            _log.info(log_names.RETRIES_AWAITED)
        self._has_backoff = has_backoff

    def _plan_claim(self, room: Room | None, now: float) -> Claim | None:
        if room is None:
            return None
        jobs = self._planner.candidates(now)
        count = room.claim_size(jobs, may_be_small=self._writer.is_due)
        if not count:
            return None
        claim = self._planner.plan(jobs, count, takes_alone=room.takes_alone, is_free=not room.held)
        if not (claim.max_new or claim.max_retried or claim.max_isolated):
            self._planner.pause(now)
            return None
        return claim

    def _wake_watchers(self, queue: Queue) -> None:
        if self._writer.may_have_alerted:
            self._writer.may_have_alerted = False
            queue.wake_watchers()

    def _finish_jobs(self, queue: Queue, now: float, *, is_closed: bool) -> None:
        known = is_closed or not self._planner.is_stale(now)

        def seems_over(job_id: int) -> bool:
            return known and self._open[job_id] <= 0 and job_id not in self._planner.listed

        for job_id, is_finished in self._finish(queue, self._completion.due(now, seems_over), now).items():
            if is_finished:
                self._writer.may_have_alerted = True
                self._completion.remove(job_id)
                self.is_job_over = self.is_job_over or job_id == self._until_job
                _log.info(log_names.JOB_FINISHED, job_id=job_id)
            else:
                self._completion.postpone(job_id, now, for_s=ASK_S)
        if self._until_job is not None and now - self._asked_at >= _PHASE_S:
            self._asked_at = now
            self.is_job_over = self.is_job_over or queue.job_phase(self._until_job) in {"finished", "cancelled", None}
        self._open = +self._open

    def _finish(self, queue: Queue, jobs: Sequence[int], now: float) -> dict[int, bool]:
        if not jobs:
            return {}
        try:
            return queue.finish_jobs(jobs)
        except EvtrackError as error:
            if error_scope(error) is ErrorScope.SERVER:
                self._completion.add(jobs, now)
                raise
            if len(jobs) > 1:  # one of them is to blame: ask for each
                return {job_id: done for each in jobs for job_id, done in self._finish(queue, [each], now).items()}
            _log.warning(log_names.JOB_NOT_FINISHED, job_id=jobs[0], error=str(error))
            self._completion.postpone(jobs[0], now)
            return {}
