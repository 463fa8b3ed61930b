"""The supervisor's side of its exchanges with the database thread: when one is due, what it holds, what follows."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from structlog.contextvars import bind_contextvars

from evtrack.domain.crash import CrashCause
from evtrack.runtime.worker.database.database_thread import MOST_OWED, DatabaseThread
from evtrack.runtime.worker.database.exchange import HELD, LOST, Outlook, Reply, Request
from evtrack.runtime.worker.pacing import GROUP, MAX_CLAIM

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.runtime.worker.database.exchange_runner import ExchangeRunner
    from evtrack.runtime.worker.database.heartbeat import HeartbeatNews
    from evtrack.runtime.worker.dispatcher import Dispatcher
    from evtrack.runtime.worker.pacing import Room

REPORT_S: Final = 0.01
"""Age at which outcomes are reported even if there are few, as long as the database answers within a tenth of it."""

_LONGEST_REPORT_S: Final = 0.25
_ANSWER_SHARE: Final = 0.1
"""Share of the time that few outcomes at a time may keep the database busy."""

_WEIGHT: Final = 0.2

_LONGEST_S: Final = 1.0
_TICK_S: Final = 0.05


class Exchanger:
    """Exchanges outcomes for batches, without ever waiting for the database.

    Args:
        dispatcher: Takes claimed batches and collects outcomes.
        runner: The database thread's side; only tasks posted to that thread touch it.
        news: What the heartbeat reports.
        until_job: The job to wait for, if any.
        drain: Whether the worker stops when nothing is left to do.
    """

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        runner: ExchangeRunner,
        news: HeartbeatNews,
        until_job: int | None = None,
        drain: bool = False,
    ) -> None:
        self.is_job_over = False
        """Whether the awaited job has ended."""
        self._dispatcher, self._runner, self._news = dispatcher, runner, news
        self._thread: DatabaseThread[Reply] = DatabaseThread(news.waker, runner)
        self._replies = 0
        self._until_job, self._drain = until_job, drain
        self._is_open = self._is_claiming = False
        self._is_stopping = self._has_posted_stop = False
        self._has_dropped_all = False
        self._worker_id = 0
        self._unreported = 0
        self._in_flight: deque[int] = deque()
        self._posted_at = self._answer_s = 0.0
        self._wants_held = False
        self._outlook = Outlook()
        self._retry_at = 0.0

    @property
    def unreported(self) -> int:
        """How many outcomes the database has not accepted, as far as is known."""
        return len(self._dispatcher.outcomes) + self._unreported + sum(self._in_flight)

    @property
    def is_settled(self) -> bool:
        """Whether the database agrees with this worker about all outcomes."""
        return not (self.unreported or self._wants_held or self._thread.is_busy)

    @property
    def is_open(self) -> bool:
        """Whether the worker was registered."""
        return self._is_open

    @property
    def is_drained(self) -> bool:
        """Whether no batch is claimable, held or unreported."""
        is_idle = self._outlook.is_idle and monotonic() < self._outlook.list_at and not self._thread.is_busy
        return is_idle and not self._dispatcher.held and not self.unreported

    def open(self) -> None:
        """Begin to connect and to register; `run_once` raises why that fails."""
        self._thread.post(self._runner.open)

    def stop_claiming(self, *, is_asked: bool) -> None:
        """Claim no more: the worker stops.

        Args:
            is_asked: Whether it was asked to stop, which is recorded with the next exchange.
        """
        self._is_claiming = False
        self._is_stopping = is_asked
        self._runner.standing = None

    def take_reply(self) -> None:
        """Apply the database thread's replies: to a request, or to a notification.

        Raises:
            EvtrackError: The worker cannot be registered.
        """
        if self._news.is_fenced.is_set():
            self._drop_all()
        while (reply := self._thread.take()) is not None:
            if len(self._in_flight) > self._thread.owed:
                self._in_flight.popleft()
                now = monotonic()
                self._answer_s += _WEIGHT * (now - self._posted_at - self._answer_s)
                self._posted_at = now
            self._apply(reply)

    def post_request(self, now: float) -> None:
        """Begin an exchange if one is due; while one runs, post the next one if it is large.

        Args:
            now: The monotonic clock.
        """
        if not self._is_open:
            return
        if self._thread.is_busy:
            if self._may_post_ahead(now):
                self._post(self._dispatcher.room(now).after_claim(self._outlook.job_ids))
            return
        room = self._dispatcher.room(now) if self._is_claiming else None
        if now >= self._retry_at and self._is_due(room, now):
            self._post(room)
        else:
            self._runner.standing = None if room is None or not room.idle else self._request(room, has_news=True)

    def due_in_s(self, now: float) -> float:
        """Return how long nothing is due, if nothing happens.

        Args:
            now: The monotonic clock.

        Returns:
            Seconds; a reply of the database thread wakes the supervisor.
        """
        if self._thread.is_busy or not self._is_open:
            return _LONGEST_S
        if now < self._retry_at:
            return self._retry_at - now
        if self._is_urgent:
            return 0.0
        outlook, since = self._outlook, self._dispatcher.outcomes.since
        ripe_at = now + _LONGEST_S if since is None else since + self._report_s
        due_at = min(outlook.report_at, outlook.finish_at, ripe_at)
        if self._is_claiming:
            room = self._dispatcher.room(now)
            if room.idle:
                due_at = min(due_at, outlook.list_at, outlook.claim_at if outlook.job_ids else outlook.list_at)
        return max(0.0, due_at - now)

    def close(self, wait: Callable[[float], None], give_up_at: float) -> None:
        """Unregister the worker, and end the thread.

        Args:
            wait: Waits for some seconds, or until something happens.
            give_up_at: Monotonic time after which the thread is left to itself.
        """
        self._thread.finish(partial(self._runner.close, give_up_at))
        while not self._thread.has_ended and (left_s := give_up_at - monotonic()) > 0:
            wait(min(left_s, _TICK_S))

    @property
    def _report_s(self) -> float:
        """The age at which outcomes are reported even if there are few: on a slow database, more come together."""
        if self._dispatcher.outcomes.has_crashed:
            return 0.0
        return min(max(REPORT_S, self._answer_s / _ANSWER_SHARE), _LONGEST_REPORT_S)

    def _may_post_ahead(self, now: float) -> bool:
        """Return whether to post a request while another runs: so that the database need not wait for this thread."""
        # Not earlier: the more outcomes an exchange has, the less it costs for each.
        is_large = len(self._dispatcher.outcomes) >= (GROUP if not self._dispatcher.held else MAX_CLAIM)
        return (
            is_large
            and self._thread.owed < MOST_OWED
            and self._is_claiming
            and now >= self._retry_at
            and not self._is_special
        )

    @property
    def _is_urgent(self) -> bool:
        """Whether something must be posted at once, without waiting for more."""
        return self._news.has_work.is_set() or self._is_special

    @property
    def _is_special(self) -> bool:
        """Whether there is more to post than outcomes and a claim."""
        return bool(
            self._wants_held
            or len(self._dispatcher.marks)
            or self._dispatcher.crash_loops
            or self._news.is_fenced.is_set()
            or (self._is_stopping and not self._has_posted_stop)
        )

    def _is_due(self, room: Room | None, now: float) -> bool:
        outlook, outcomes = self._outlook, self._dispatcher.outcomes
        since = outcomes.since
        if self._is_urgent or now >= outlook.finish_at or now >= outlook.report_at:
            return True
        is_complete = room is None or not room.held or len(outcomes) >= GROUP
        if since is not None and (is_complete or now - since >= self._report_s):
            return True
        if room is None:
            return False
        if room.is_there and now >= outlook.list_at:
            return True
        return now >= outlook.claim_at and bool(room.claim_size(outlook.job_ids))

    def _post(self, room: Room | None) -> None:
        dispatcher = self._dispatcher
        has_news = self._news.has_work.is_set()
        self._news.has_work.clear()
        outcomes = dispatcher.outcomes.take()
        request = replace(
            self._request(room, has_news=has_news),
            outcomes=outcomes,
            marks=dispatcher.marks.requests() if len(dispatcher.marks) else (),
            held=dispatcher.keys() if self._wants_held else None,
            crash_loops=tuple(dispatcher.crash_loops),
        )
        self._in_flight.append(len(outcomes))
        if not self._thread.is_busy:
            self._posted_at = monotonic()
        self._has_posted_stop = self._is_stopping
        dispatcher.crash_loops.clear()
        self._thread.post(partial(self._runner.run, request))

    def _request(self, room: Room | None, *, has_news: bool) -> Request:
        return Request(
            room=room,
            has_news=has_news,
            until_job=self._until_job,
            is_draining=self._drain,
            is_stopping=self._is_stopping,
            replies=self._replies + self._thread.owed,
        )

    def _apply(self, reply: Reply) -> None:
        self._replies += 1
        if not self._is_open:
            self._is_open = self._is_claiming = True
        self._unreported = reply.unreported
        self._wants_held, self._outlook, self._retry_at = reply.wants_held, reply.outlook, reply.retry_at
        self.is_job_over = self.is_job_over or reply.is_job_over
        if reply.worker_id != self._worker_id:
            self._worker_id = reply.worker_id
            # On every log line of this thread from now on.
            bind_contextvars(worker_id=reply.worker_id)
        if reply.is_lost:
            self._drop_all()
            self._has_dropped_all = False
        elif not self._has_dropped_all:
            self._apply_marks(reply)
            if reply.lost:
                self._dispatcher.drop(set(reply.lost))
            if reply.batches:
                self._dispatcher.add(reply.batches)

    def _apply_marks(self, reply: Reply) -> None:
        for (pid, number), answer in reply.marks.items():
            mark = self._dispatcher.marks.take(pid, number)
            if mark is None:
                continue
            if answer == HELD:
                mark.slot.page.permit = number
            elif answer == LOST:
                self._dispatcher.drop({mark.batch.key})
            else:
                mark.slot.kill(reason=CrashCause.PROTOCOL)

    def _drop_all(self) -> None:
        """Kill the slots: others have the batches. Once for each registration that is lost."""
        if not self._has_dropped_all:
            self._has_dropped_all = True
            self._dispatcher.drop_all()
