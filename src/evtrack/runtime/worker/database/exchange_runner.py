"""Runs exchanges in the database thread: connects, registers, reconciles, and waits after errors."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from time import monotonic, sleep
from typing import TYPE_CHECKING

import structlog

from evtrack.domain import log_names
from evtrack.domain.database_errors import is_worth_waiting
from evtrack.domain.errors import EvtrackError, NoSuchJob, WorkerLost
from evtrack.runtime.worker.database.error_backoff import ErrorBackoff
from evtrack.runtime.worker.database.exchange import Answers, Reply
from evtrack.runtime.worker.database.queue_sync import QueueSync
from evtrack.runtime.worker.database.wake_up_delay import WakeUpDelay

if TYPE_CHECKING:
    from evtrack.runtime.worker.database.exchange import Request
    from evtrack.runtime.worker.database.heartbeat import HeartbeatNews
    from evtrack.runtime.worker.database.session import WorkerSession
    from evtrack.storage.queue.queue import Queue

_log = structlog.get_logger()


class ExchangeRunner:
    """The database thread's side of the worker: no other thread touches anything here but `standing` and `wake`.

    Args:
        session: The worker's session with the database.
        news: Reports to the supervisor that there may be work.
    """

    def __init__(self, session: WorkerSession, news: HeartbeatNews) -> None:
        self.standing: Request | None = None
        """What to do at a notification, without asking the supervisor, as long as it knows of all replies."""
        self._session, self._news = session, news
        self._replies = 0
        self._sync = QueueSync()
        self._backoff = ErrorBackoff()
        self._delay = WakeUpDelay()
        self._lost_id = 0
        self._must_reconcile = self._was_registered = False
        self._has_begun_to_stop = False
        # The latest two are enough.
        self._crash_loops: deque[str | None] = deque(maxlen=2)

    def open(self) -> Reply:
        """Connect and register for the first time.

        Returns:
            The first reply.

        Raises:
            EvtrackError: The database cannot be reached, or rejects the worker.
        """
        try:
            self._session.open()
        except EvtrackError as error:
            self._postpone_unless_new(error)
        return self._reply(Answers())

    def run(self, request: Request) -> Reply:
        """Do what the supervisor wants, as far as the database allows it now.

        Args:
            request: What it wants.

        Returns:
            What was achieved; after an error also when to try again.
        """
        if request.replies != self._replies:
            # Meanwhile this thread has claimed batches by itself.
            request = replace(request, room=None, held=None, is_outdated=True)
        self._sync.add(request.outcomes)
        self._crash_loops.extend(request.crash_loops)
        answers = Answers()
        is_lost = False
        if monotonic() < self._backoff.retry_at:
            # Posted while the exchange before it failed.
            return self._reply(answers)
        try:
            self._exchange(request, answers)
            self._backoff.reset()
        except WorkerLost:
            is_lost = True
            self._lose(answers)
        except EvtrackError as error:
            self._postpone_unless_new(error)
        return self._reply(answers, is_lost=is_lost)

    def wait(self) -> Reply | None:
        """Wait for a task, or for a notification: then claim what it announces, if the supervisor has allowed that.

        Returns:
            What came of a notification, or of the loss of the connection; None for nothing.
        """
        delay, session = self._delay, self._session
        try:
            self._count_idle()
            announced = session.wait_for_work(delay.wait_s(monotonic()))
        except EvtrackError as error:
            self._postpone(error)
            return self._reply(Answers())
        if announced:
            delay.record_wake_up(announced, workers=session.workers, now=monotonic())
        if monotonic() < delay.due_at:
            return None
        announced = delay.begin_look()
        standing = self.standing
        if standing is not None and standing.replies == self._replies:
            if delay.is_late:
                # A session that has never claimed would plan the whole claim, only to find nothing.
                self._sync.expire_list()
                standing = replace(standing, has_news=False)
            reply = self.run(standing)
            delay.record_look(announced, has_found=bool(reply.batches))
            return reply
        self._news.has_work.set()
        self._news.waker.set()
        return None

    def _count_idle(self) -> None:
        session = self._session
        for handler in self._delay.begin_count(session.heard, workers=session.workers, now=monotonic()):
            try:
                self._delay.record_count(handler, session.count_idle(handler))
            except EvtrackError as error:
                # How many there are is a hint.
                if error.connection_lost:
                    raise

    def wake(self) -> None:
        """End `wait`: there is a task."""
        self._session.interrupt()

    def close(self, give_up_at: float) -> Reply:
        """Give back what is left, unregister the worker, and close the connection.

        Args:
            give_up_at: Monotonic time after which the database is left as it is: the worker will be declared lost.

        Returns:
            The last reply.
        """
        while True:
            try:
                self._session.unregister()
                break
            except EvtrackError as error:
                self._backoff.record(error, monotonic())
                if not error.is_passing or self._backoff.retry_at > give_up_at:
                    _log.warning(log_names.WORKER_UNREGISTER_FAILED, error=str(error))
                    break
                self._session.disconnect()
                sleep(max(0.0, self._backoff.retry_at - monotonic()))
        self._session.close()
        return self._reply(Answers())

    def _postpone_unless_new(self, error: EvtrackError) -> None:
        # A worker that was never registered ends with advice, unless it is enough to wait.
        self._was_registered = self._was_registered or bool(self._session.worker_id)
        if not (self._was_registered or is_worth_waiting(error)):
            raise error
        self._postpone(error)

    def _postpone(self, error: EvtrackError) -> None:
        # Whether the call took effect may be unknown, and what was claimed may not have arrived.
        self._must_reconcile = bool(self._session.worker_id)
        self._backoff.record(error, monotonic())
        # The connection may be lost, stay on a server that was demoted, or lack a prepared statement: psycopg counts
        # one as prepared that the server has skipped after an error.
        self._session.disconnect()

    def _exchange(self, request: Request, answers: Answers) -> None:
        session = self._session
        if session.is_fenced:
            raise WorkerLost
        queue = self._connected_queue()
        if request.is_stopping and not self._has_begun_to_stop:
            self._has_begun_to_stop = True
            session.begin_stop()
        if self._must_reconcile:
            if request.held is None:
                return
            try:
                answers.lost |= self._sync.reconcile(queue, request.held)
            except NoSuchJob as error:
                # After a failover or a restore: this database does not know the worker.
                raise WorkerLost(str(error)) from error
            self._must_reconcile = False
        if session.heartbeat is not None:
            self._sync.set_pace(session.heartbeat.pace_s)
        if self._sync.run(queue, request, answers):
            self._must_reconcile = True
        session.report_crash_loops(self._crash_loops)

    def _connected_queue(self) -> Queue:
        session = self._session
        if session.queue is not None:
            return session.queue
        failures = self._backoff.failures
        session.connect()
        if self._lost_id:
            # The database rejects all of it, and records it as late.
            with suppress(NoSuchJob):
                self._sync.report_late(session.queue_of(self._lost_id))
            self._lost_id = 0
        queue = session.open()
        _log.info(log_names.DATABASE_RECONNECTED, failures=failures)
        return queue

    def _lose(self, answers: Answers) -> None:
        """Give up the registration: this worker was declared lost, or the database does not know it."""
        self._was_registered = True
        _log.error(
            log_names.WORKER_DECLARED_LOST, hint="others have its batches; it kills its slots and registers again"
        )
        answers.clear()
        self._lost_id = self._lost_id or self._session.worker_id
        self._session.reset()
        self._sync.reset()
        self._must_reconcile = self._has_begun_to_stop = False

    def _reply(self, answers: Answers, *, is_lost: bool = False) -> Reply:
        self._replies += 1
        return Reply(
            worker_id=self._session.worker_id,
            batches=answers.batches,
            marks=answers.marks,
            lost=frozenset(answers.lost),
            is_lost=is_lost,
            unreported=self._sync.unreported,
            wants_held=self._must_reconcile,
            is_job_over=self._sync.is_job_over,
            outlook=self._sync.outlook(),
            retry_at=self._backoff.retry_at,
        )
