"""The supervisor: assigns batches to slots, and serves slots, limits and signals. It runs no user code.

It never waits for the database: a thread of its own does that work, one exchange at a time.
"""

from __future__ import annotations

import selectors
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog
from structlog.contextvars import unbind_contextvars

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, EvtrackError
from evtrack.runtime.maintenance import GRACE_S as LOSE_GRACE_S
from evtrack.runtime.maintenance import LEASE_S
from evtrack.runtime.waker import Waker
from evtrack.runtime.worker.database.database_thread import DatabaseThread
from evtrack.runtime.worker.database.exchange_runner import ExchangeRunner
from evtrack.runtime.worker.database.heartbeat import HeartbeatNews
from evtrack.runtime.worker.database.in_hand import items_in_slots
from evtrack.runtime.worker.database.session import WorkerSession
from evtrack.runtime.worker.dispatcher import Dispatcher
from evtrack.runtime.worker.exchanger import Exchanger
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.pool import SlotPool
from evtrack.runtime.worker.tracing import new_outcome_buffer

if TYPE_CHECKING:
    from evtrack.runtime.slot.protocol import Setup
    from evtrack.runtime.worker.state.worker_state import WorkerState

GRACE_S: Final = 30.0
"""How long a stopping worker lets running batches finish."""

_TICK_S: Final = 0.1
_IDLE_TICK_S: Final = 0.5
_IMPORT_S: Final = 600.0
_LAST_REPORT_S: Final = 10.0
"""How long a stopping worker tries to reach the database for its last report, beyond the grace."""

_NEVER_OPENED_S: Final = 1.0

_log = structlog.get_logger()


class Supervisor:
    """Runs batches in slots until it is stopped.

    Args:
        setup: The handlers to offer.
        slots: How many batches run at once.
        name: The worker's name for users; empty for host and process.
        grace_s: How long running batches may take to finish when it is stopped.
        lose_grace_s: How long this worker, and any other, counts as alive without its session.
        lease_s: How long this worker, and any other, counts as alive without a heartbeat.
        max_batches: Batches after which a slot is replaced; 0 for never.
        limits: Limits of a batch; those of its job take precedence.
        drain: Stop when nothing is claimable, now or after a backoff.
        state: Where the worker leaves what its successor needs; None for nowhere.
    """

    def __init__(
        self,
        *,
        dsn: str,
        setup: Setup,
        slots: int = 1,
        name: str = "",
        grace_s: float = GRACE_S,
        lose_grace_s: float = LOSE_GRACE_S,
        lease_s: float = LEASE_S,
        max_batches: int = 0,
        limits: SlotLimits | None = None,
        drain: bool = False,
        state: WorkerState | None = None,
    ) -> None:
        # Before anything is opened that would have to be closed again.
        if slots < 1:
            raise BadArgument(f"a worker needs at least 1 slot, got {slots}")
        if lease_s <= 0:
            raise BadArgument(f"lease_s must be above 0, got {lease_s}")
        for name_of, given in (("grace_s", grace_s), ("lose_grace_s", lose_grace_s), ("max_batches", max_batches)):
            if given < 0:
                raise BadArgument(f"{name_of} must not be negative, got {given}")
        self.handlers: dict[str, str] = {}
        self._dsn, self._count, self._state = dsn, slots, state
        self._grace_s, self._drain, self._limits = grace_s, drain, limits or SlotLimits()
        self._stops = 0
        self._stop_at: float | None = None
        self._give_up_at: float | None = None
        self._until_job: int | None = None
        self._is_closed = False
        self._selector, self._waker = selectors.DefaultSelector(), Waker()
        self._selector.register(self._waker.socket, selectors.EVENT_READ, self._waker.clear)
        self._dispatcher = Dispatcher(new_outcome_buffer(), memory=self._limits.memory)
        self._exchanger: Exchanger | None = None
        self._slots = SlotPool(
            setup=setup,
            count=slots,
            max_batches=max_batches,
            memory=self._limits.memory,
            selector=self._selector,
            on_frame=self._dispatcher.on_frame,
            on_exit=self._dispatcher.on_exit,
            on_crash_loop=self._dispatcher.crash_loops.append,
            new_page=None if state is None else state.new_page,
        )
        self._dispatcher.attach(self._slots)
        self.pausing = self._slots.pausing
        self._news = HeartbeatNews(self._waker)
        self._new_session = partial(
            WorkerSession,
            dsn=dsn,
            name=name,
            slots=slots,
            news=self._news,
            busy=lambda: self._dispatcher.busy,
            lose_grace_s=lose_grace_s,
            lease_s=lease_s,
            state=state,
            in_hand=partial(items_in_slots, self._slots),
        )

    def prepare(self) -> dict[str, str]:
        """Start the slots and wait until one has imported the handlers.

        Returns:
            The kind of each handler by its name.

        Raises:
            EvtrackError: The handlers cannot be offered; the slots are closed then.
        """
        try:
            if self._state is not None:
                # First: what the slots import may take long, or kill this worker like the one before.
                self._report_predecessors(self._state)
            deadline = monotonic() + _IMPORT_S
            while not self._slots.working and not self._stops:
                if monotonic() > deadline:
                    message = f"No slot was ready after {_IMPORT_S:.0f} s."
                    raise EvtrackError(message, hint="Find out what the import waits for.")  # noqa: TRY301  closed below
                self._slots.maintain(monotonic())
                self._wait(_TICK_S)
            for slot in self._slots.working[:1]:
                self._limits.memory.learn_import(slot.import_rss_bytes, slots=self._count)
                self.handlers = dict(slot.kinds or {})
        except BaseException:
            self.close()
            raise
        return self.handlers

    def run(self) -> None:
        """Run batches until stopped, drained, or the awaited job is finished.

        Raises:
            EvtrackError: The worker cannot continue.
        """
        try:
            self.handlers = self.handlers or self.prepare()
            if self._stops:
                return
            session = self._new_session(handlers=list(self.handlers))
            self._exchanger = Exchanger(
                dispatcher=self._dispatcher,
                runner=ExchangeRunner(session, self._news),
                news=self._news,
                until_job=self._until_job,
                drain=self._drain,
            )
            self._exchanger.open()
            while not self._is_over(self._exchanger):
                self._run_once(self._exchanger)
        finally:
            self.close()

    def await_job(self, job_id: int) -> None:
        """Stop when a job is finished. Called before `run`."""
        self._until_job = job_id

    def stop(self, *, at_once: bool = False) -> None:
        """Let running batches finish within the grace and give the rest back. Safe in a signal handler.

        A second call stops at once.

        Args:
            at_once: Do not wait for running batches.
        """
        self._stops += 2 if at_once else 1
        self._waker.set()

    def close(self) -> None:
        """Kill the slots and close everything; running batches are lost. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._slots.drain()
        self._slots.kill("stopping")
        now = monotonic()
        give_up_at = self._give_up_at or now + _LAST_REPORT_S
        while list(self._slots) and monotonic() < now + _LAST_REPORT_S:
            self._slots.maintain(monotonic())
            self._wait(_TICK_S)
        self._slots.close()
        if self._exchanger is not None:
            if not self._exchanger.is_open:
                give_up_at = min(give_up_at, monotonic() + _NEVER_OPENED_S)
            self._exchanger.close(self._wait, give_up_at)
        if self._state is not None:
            self._state.close()
        unbind_contextvars("worker_id")
        self._selector.close()
        self._waker.close()

    def _report_predecessors(self, state: WorkerState) -> None:
        """Report the workers that died here, unless a stop comes first: the database may not answer."""
        if not state.open():
            return
        thread: DatabaseThread[None] = DatabaseThread(self._waker)
        thread.post(partial(state.report_predecessors, self._dsn))
        while thread.is_busy and not self._stops:
            self._wait(_TICK_S)
            thread.take()
        thread.finish(lambda: None)

    def _run_once(self, exchanger: Exchanger) -> None:
        self._wait(self._wait_s(exchanger))
        now = monotonic()
        self._slots.notice_ends(now)
        self._limits.enforce(self._slots, now)
        self._react(exchanger, now)
        exchanger.take_reply()
        self._dispatcher.assign()
        exchanger.post_request(now)
        self._slots.recycle()
        # Last: a death is reported before another slot is started.
        self._slots.start_missing(now)

    def _wait(self, timeout_s: float) -> None:
        due = monotonic() + timeout_s
        for key, _ in self._selector.select(timeout_s):
            # An event before it may have been the end of its slot, whose descriptors are closed then.
            if key.fileobj in self._selector.get_map():
                key.data()
        self.pausing.notice_gap(due)

    def _is_satisfied(self, exchanger: Exchanger) -> bool:
        return exchanger.is_job_over or (self._drain and exchanger.is_drained)

    def _wait_s(self, exchanger: Exchanger) -> float:
        if self._stop_at is None and self._is_satisfied(exchanger):
            return 0.0
        tick_s = _IDLE_TICK_S if self._stop_at is None and not self._dispatcher.busy else _TICK_S
        return min(tick_s, exchanger.due_in_s(monotonic()))

    def _react(self, exchanger: Exchanger, now: float) -> None:
        """React to stop requests."""
        if self._stop_at is None and (self._stops or self._is_satisfied(exchanger)):
            self._stop_at = now
            self._give_up_at = now + self._grace_s + _LAST_REPORT_S
            _log.info(log_names.WORKER_STOPPING, held=self._dispatcher.held, grace_s=self._grace_s)
            self._dispatcher.close()
            self._slots.drain()
            exchanger.stop_claiming(is_asked=bool(self._stops))
        if self._stop_at is not None and (self._stops > 1 or now > self._stop_at + self._grace_s):
            self._slots.kill("stopping")
            self._give_up_at = min(self._give_up_at or now, now + _LAST_REPORT_S)

    def _is_over(self, exchanger: Exchanger) -> bool:
        if self._stop_at is None or list(self._slots):
            return False
        if not exchanger.is_settled and monotonic() < (self._give_up_at or 0.0):
            return False
        if unreported := exchanger.unreported:
            _log.error(log_names.OUTCOMES_NOT_REPORTED, count=unreported, hint="these batches run again elsewhere")
        return True
