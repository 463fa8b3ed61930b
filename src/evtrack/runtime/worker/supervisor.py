"""The supervisor: claims batches, assigns them to slots, and reports their outcomes. It runs no user code."""

from __future__ import annotations

import contextlib
import selectors
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.database_errors import CannotConnect, StorageError, TransientError
from evtrack.domain.errors import BadArgument, EvtrackError, WorkerLost
from evtrack.runtime.maintenance import GRACE_S as LOSE_GRACE_S
from evtrack.runtime.maintenance import LEASE_S
from evtrack.runtime.waker import Waker
from evtrack.runtime.worker.database.error_backoff import ErrorBackoff
from evtrack.runtime.worker.database.in_hand import items_in_slots
from evtrack.runtime.worker.database.queue_sync import QueueSync
from evtrack.runtime.worker.database.session import WorkerSession
from evtrack.runtime.worker.dispatcher import Dispatcher
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.pool import SlotPool
from evtrack.runtime.worker.tracing import new_outcome_buffer
from evtrack.storage.queue.queue import CANCELLED

if TYPE_CHECKING:
    from evtrack.runtime.slot.protocol import Setup
    from evtrack.runtime.worker.state.worker_state import WorkerState
    from evtrack.storage.queue.queue import Queue

GRACE_S: Final = 30.0
"""How long a stopping worker lets running batches finish."""

_TICK_S: Final = 0.1
_IDLE_TICK_S: Final = 0.5
_IMPORT_S: Final = 600.0
_LAST_REPORT_S: Final = 10.0
"""How long a stopping worker tries to reach the database for its last report."""

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
        drain: Stop when nothing is claimable.
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
        self._stops, self._errors = 0, ErrorBackoff()
        self._selector, self._waker = selectors.DefaultSelector(), Waker()
        self._selector.register(self._waker.socket, selectors.EVENT_READ, self._waker.clear)
        self._dispatcher = Dispatcher(new_outcome_buffer(), memory=self._limits.memory)
        self._queue_sync = QueueSync(dispatcher=self._dispatcher)
        # Reported when the database can be reached; the latest two are enough.
        self._crash_loops: deque[str | None] = deque(maxlen=2)
        self._slots = SlotPool(
            setup=setup,
            count=slots,
            max_batches=max_batches,
            memory=self._limits.memory,
            selector=self._selector,
            on_frame=self._dispatcher.on_frame,
            on_exit=self._dispatcher.on_exit,
            on_crash_loop=self._crash_loops.append,
            new_page=None if state is None else state.new_page,
        )
        self._dispatcher.attach(self._slots)
        self.pausing = self._slots.pausing
        self._session: WorkerSession | None = None
        self._new_session = partial(
            WorkerSession,
            dsn=dsn,
            name=name,
            slots=slots,
            waker=self._waker,
            busy=lambda: self._dispatcher.busy,
            lose_grace_s=lose_grace_s,
            lease_s=lease_s,
            state=state,
            in_hand=partial(items_in_slots, self._slots),
        )
        self._stop_at: float | None = None

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
                self._state.open(self._dsn, self._wait)
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
            self._session = self._new_session(handlers=list(self.handlers))
            self._session.open()
            while not self._is_over():
                self._run_once()
        finally:
            self.close()

    def await_job(self, job_id: int) -> None:
        """Stop when a job is finished."""
        self._queue_sync.until_job = job_id
        self._waker.set()

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
        if self._selector.get_map() is None:
            return
        self._slots.drain()
        self._slots.kill("stopping")
        give_up_at = monotonic() + _LAST_REPORT_S
        while list(self._slots) and monotonic() < give_up_at:
            self._slots.maintain(monotonic())
            self._wait(_TICK_S)
        self._slots.close()
        if self._session is not None:
            self._session.close()
        if self._state is not None:
            self._state.close()
        self._selector.close()
        self._waker.close()

    def _run_once(self) -> None:
        self._wait(self._wait_s())
        now = monotonic()
        self._limits.enforce(self._slots, now)
        try:
            self._react(now)
            queue = self._connected_queue(now)
            if self._session is not None and queue is not None:
                self._queue_sync.run_once(queue, now)
                self._session.report_crash_loops(self._crash_loops)
                self._errors.failures = 0
        except (TransientError, CannotConnect) as error:
            self._postpone(error, now)
        except StorageError as error:
            if error.sqlstate != CANCELLED:
                raise
            self._postpone(error, now)
        except WorkerLost:
            self._recover_from_loss()
        self._dispatcher.assign()
        self._slots.recycle()
        # Last: an outcome is reported before a new slot is started, which takes milliseconds.
        self._slots.maintain(now)

    def _wait(self, timeout_s: float) -> None:
        due = monotonic() + timeout_s
        for key, _ in self._selector.select(timeout_s):
            # An event before it may have been the end of its slot, whose descriptors are closed then.
            if key.fileobj in self._selector.get_map():
                key.data()
        self.pausing.notice_gap(due)

    @property
    def _is_satisfied(self) -> bool:
        return self._queue_sync.is_job_over or (self._drain and self._queue_sync.is_drained)

    def _wait_s(self) -> float:
        if self._stop_at is None and self._is_satisfied:
            return 0.0
        now = monotonic()
        tick_s = _IDLE_TICK_S if self._stop_at is None and not self._dispatcher.busy else _TICK_S
        due_s = self._errors.retry_at - now if self._errors.retry_at > now else self._queue_sync.due_in_s(now)
        return max(0.0, min(tick_s, due_s))

    def _react(self, now: float) -> None:
        """React to the heartbeat thread and to stop requests."""
        heartbeat = self._session.heartbeat if self._session else None
        if heartbeat is not None and heartbeat.fenced:
            self._recover_from_loss()
        elif heartbeat is not None and heartbeat.has_work:
            heartbeat.has_work = False
            self._queue_sync.expire()
        if self._stop_at is None and (self._stops or self._is_satisfied):
            self._stop_at = now
            _log.info(log_names.WORKER_STOPPING, held=self._dispatcher.held, grace_s=self._grace_s)
            self._queue_sync.close()
            self._dispatcher.close()
            self._slots.drain()
            if self._session is not None and self._stops:
                self._session.begin_stop()
        if self._stop_at is not None and (self._stops > 1 or now > self._stop_at + self._grace_s):
            self._slots.kill("stopping")

    def _is_over(self) -> bool:
        if self._stop_at is None or list(self._slots):
            return False
        unreported = len(self._dispatcher.outcomes)
        if unreported and monotonic() < self._stop_at + self._grace_s + _LAST_REPORT_S:
            return False
        if unreported:
            _log.error(log_names.OUTCOMES_NOT_REPORTED, count=unreported, hint="these batches run again elsewhere")
        return True

    def _connected_queue(self, now: float) -> Queue | None:
        if self._session is None or now < self._errors.retry_at:
            return None
        if self._session.queue is None:
            self._queue_sync.reconcile(self._session.reconnect())
            _log.info(log_names.DATABASE_RECONNECTED, failures=self._errors.failures)
        return self._session.queue

    def _postpone(self, error: EvtrackError, now: float) -> None:
        self._errors.record(error, now)
        if self._session is not None and error.connection_lost:
            self._session.disconnect()

    def _recover_from_loss(self) -> None:
        """Kill the slots and register again: this worker was declared lost."""
        _log.error(
            log_names.WORKER_DECLARED_LOST, hint="others have its batches; it kills its slots and registers again"
        )
        if self._session is not None and self._session.queue is not None:
            # The database rejects all of it, and records it as late.
            with contextlib.suppress(EvtrackError):
                self._queue_sync.report_late(self._session.queue)
        self._queue_sync.reset()
        if self._session is not None:
            self._session.reset()
