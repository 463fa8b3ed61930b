"""The supervisor: claims batches, hands them to slots, reports what became of them. It runs no user code."""

from __future__ import annotations

import contextlib
import selectors
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, CannotConnect, EvtrackError, StorageError, TransientError, WorkerLost
from evtrack.runtime.backoff import backoff_s
from evtrack.runtime.maintenance import GRACE_S as LOSE_GRACE_S
from evtrack.runtime.maintenance import LEASE_S
from evtrack.runtime.waker import Waker
from evtrack.runtime.worker.database.queue_sync import QueueSync
from evtrack.runtime.worker.database.session import WorkerSession
from evtrack.runtime.worker.dispatcher import Dispatcher
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.pool import SlotPool
from evtrack.runtime.worker.tracing import new_outcomes
from evtrack.storage.queue.queue import CANCELLED

if TYPE_CHECKING:
    from evtrack.runtime.slot.protocol import Setup
    from evtrack.storage.queue.queue import Queue

GRACE_S: Final = 30.0
"""How long a stopping worker lets run what runs."""

_TICK_S: Final = 0.1
_IDLE_TICK_S: Final = 0.5
_IMPORT_S: Final = 600.0
_BACKOFF_S: Final = 0.02
_BACKOFF_MAX_S: Final = 5.0
_LAST_REPORT_S: Final = 10.0
"""How long a stopping worker tries to reach the database for its last report."""

_log = structlog.get_logger()


class Supervisor:
    """Runs batches in slots until it is told to stop.

    Args:
        dsn: The connection string.
        setup: What to offer.
        slots: How many batches run at once.
        name: What people call it; empty for host and process.
        grace_s: How long it lets run what runs when it is told to stop.
        lose_grace_s: How long it, and any other, counts as alive without its session.
        lease_s: How long it, and any other, counts as alive without a heartbeat.
        max_batches: Batches after which a slot is replaced; 0 for never.
        limits: What a batch may use, unless its job says otherwise.
        drain: Stop when nothing is claimable.
        until_job: Stop when this job is finished.
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
        until_job: int | None = None,
    ) -> None:
        # Before anything is opened that would have to be closed again.
        if slots < 1:
            raise BadArgument(f"a worker needs at least 1 slot, got {slots}")
        if grace_s < 0:
            raise BadArgument(f"grace_s must not be negative, got {grace_s}")
        if lose_grace_s < 0:
            raise BadArgument(f"lose_grace_s must not be negative, got {lose_grace_s}")
        if lease_s <= 0:
            raise BadArgument(f"lease_s must be above 0, got {lease_s}")
        if max_batches < 0:
            raise BadArgument(f"max_batches must not be negative, got {max_batches}")
        self.handlers: dict[str, str] = {}
        self._dsn, self._name, self._count = dsn, name, slots
        self._lose_grace_s, self._lease_s = lose_grace_s, lease_s
        self._grace_s, self._drain, self._limits = grace_s, drain, limits or SlotLimits()
        self._selector = selectors.DefaultSelector()
        self._wake = Waker()
        self._selector.register(self._wake.socket, selectors.EVENT_READ, self._wake.clear)
        self._bench = Dispatcher(new_outcomes())
        self._exchange = QueueSync(workbench=self._bench, until_job=until_job)
        # What the database is told of when it can be reached; of many the last say enough.
        self._troubles: deque[str | None] = deque(maxlen=2)
        self._slots = SlotPool(
            setup=setup,
            count=slots,
            max_batches=max_batches,
            selector=self._selector,
            on_frame=self._bench.on_frame,
            on_death=self._bench.on_death,
            on_trouble=self._troubles.append,
        )
        self._bench.man(self._slots)
        self._session: WorkerSession | None = None
        self._failures = 0
        self._again_at = 0.0
        self._stops = 0
        self._stop_at: float | None = None

    def prepare(self) -> dict[str, str]:
        """Start the slots and wait until one has imported the handlers.

        Returns:
            The kind of each handler by its name.

        Raises:
            EvtrackError: The handlers cannot be offered; the slots are gone then.
        """
        deadline = monotonic() + _IMPORT_S
        try:
            while not self._slots.working and not self._stops:
                if monotonic() > deadline:
                    said = f"No slot was ready after {_IMPORT_S:.0f} s."
                    raise EvtrackError(said, hint="See what its import waits for.")  # noqa: TRY301  cleared away below
                self._slots.keep_up(monotonic())
                self._listen(_TICK_S)
        except BaseException:
            self.close()
            raise
        self.handlers = dict(self._slots.working[0].kinds or {}) if self._slots.working else {}
        return self.handlers

    def run(self) -> None:
        """Work until stopped, drained, or the awaited job is finished.

        Raises:
            EvtrackError: The worker cannot go on.
        """
        try:
            self.handlers = self.handlers or self.prepare()
            if self._stops:
                return
            self._session = WorkerSession(
                dsn=self._dsn,
                name=self._name,
                slots=self._count,
                handlers=list(self.handlers),
                wake=self._wake,
                busy=lambda: self._bench.busy,
                lose_grace_s=self._lose_grace_s,
                lease_s=self._lease_s,
            )
            self._session.open()
            while not self._is_over():
                self._turn()
        finally:
            self.close()

    def await_job(self, job_id: int) -> None:
        """Stop when a job is finished.

        Args:
            job_id: The job.
        """
        self._exchange.until_job = job_id
        self._wake.set()

    def stop(self, *, at_once: bool = False) -> None:
        """Finish what runs within the grace and give the rest back; a second time: at once. Safe in a signal handler.

        Args:
            at_once: Do not wait for what runs.
        """
        self._stops += 2 if at_once else 1
        self._wake.set()

    def close(self) -> None:
        """Kill the slots and close everything; what runs is lost. A second time does nothing."""
        if self._selector.get_map() is None:
            return
        self._slots.drain()
        self._slots.kill("stopping")
        deadline = monotonic() + _LAST_REPORT_S
        while list(self._slots) and monotonic() < deadline:
            self._slots.keep_up(monotonic())
            self._listen(_TICK_S)
        self._slots.close()
        if self._session is not None:
            self._session.close()
        self._selector.close()
        self._wake.close()

    def _turn(self) -> None:
        self._listen(self._patience())
        now = monotonic()
        self._limits.enforce(self._slots, now)
        try:
            self._obey(now)
            queue = self._queue(now)
            if queue is not None:
                self._exchange.turn(queue, now)
                self._report_slots()
                self._failures = 0
        except (TransientError, CannotConnect) as error:
            self._postpone(error, now)
        except StorageError as error:
            if error.sqlstate != CANCELLED:
                raise
            self._postpone(error, now)
        except WorkerLost:
            self._fence()
        self._bench.deal()
        self._slots.recycle()
        # Last: what is known of a death is on record before a new slot takes its place, which costs milliseconds.
        self._slots.keep_up(now)

    def _report_slots(self) -> None:
        while self._troubles and self._session is not None:
            self._session.report_slots(self._troubles[0])
            self._troubles.popleft()

    def _listen(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            key.data()

    @property
    def _has_enough(self) -> bool:
        return self._exchange.is_over or (self._drain and self._exchange.is_drained)

    def _patience(self) -> float:
        if self._stop_at is None and self._has_enough:
            return 0.0
        now = monotonic()
        patience = _IDLE_TICK_S if self._stop_at is None and not self._bench.busy else _TICK_S
        due_s = self._again_at - now if self._again_at > now else self._exchange.patience(now)
        return max(0.0, min(patience, due_s))

    def _obey(self, now: float) -> None:
        lifeline = self._session.lifeline if self._session else None
        if lifeline is not None and lifeline.fenced:
            self._fence()
        elif lifeline is not None and lifeline.heard:
            lifeline.heard = False
            self._exchange.wake()
        if self._stop_at is None and (self._stops or self._has_enough):
            self._stop_at = now
            _log.info(log_names.WORKER_STOPPING, held=self._bench.held, grace_s=self._grace_s)
            self._exchange.close()
            self._bench.close()
            self._slots.drain()
        if self._stop_at is not None and (self._stops > 1 or now > self._stop_at + self._grace_s):
            self._slots.kill("stopping")

    def _is_over(self) -> bool:
        if self._stop_at is None or list(self._slots):
            return False
        unreported = len(self._bench.outcomes)
        if unreported and monotonic() < self._stop_at + self._grace_s + _LAST_REPORT_S:
            return False
        if unreported:
            _log.error(log_names.OUTCOMES_NOT_REPORTED, count=unreported, hint="these batches run again elsewhere")
        return True

    def _queue(self, now: float) -> Queue | None:
        if self._session is None or now < self._again_at:
            return None
        if self._session.queue is None:
            self._exchange.reconcile(self._session.reconnect())
            _log.info(log_names.DATABASE_BACK, failures=self._failures)
        return self._session.queue

    def _postpone(self, error: EvtrackError, now: float) -> None:
        self._failures += 1
        pause_s = backoff_s(self._failures, first_s=_BACKOFF_S, longest_s=_BACKOFF_MAX_S)
        self._again_at = now + pause_s
        _log.warning(
            log_names.DATABASE_TROUBLE, error=str(error), failures=self._failures, again_in_s=round(pause_s, 2)
        )
        if self._session is not None and isinstance(error, TransientError) and error.connection_lost:
            self._session.drop()

    def _fence(self) -> None:
        _log.error(
            log_names.WORKER_DECLARED_LOST, hint="its batches are others' now: it kills its slots and registers anew"
        )
        queue = self._session.queue if self._session is not None else None
        if queue is not None:
            # Refused, all of it, and recorded as what came too late.
            with contextlib.suppress(EvtrackError):
                self._exchange.confess(queue)
        self._exchange.forget()
        if self._session is not None:
            self._session.forget()
