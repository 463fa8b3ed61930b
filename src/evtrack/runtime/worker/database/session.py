"""A worker's session with the database: its registration, its heartbeat and its queue."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

import structlog
from structlog.contextvars import bind_contextvars

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.domain.text import storable
from evtrack.runtime.slot.handlers import CANARY_HANDLER
from evtrack.runtime.waker import Waker
from evtrack.runtime.worker.database.heartbeat import Heartbeat, HeartbeatNews
from evtrack.runtime.worker.database.in_hand import InHandReporter
from evtrack.storage.connection.connect import Connection, behind_pooler, connect
from evtrack.storage.connection.listener import WORK, Listener
from evtrack.storage.queue.job_control import wake_watchers
from evtrack.storage.queue.queue import Queue
from evtrack.storage.queue.workers import (
    begin_stop,
    bound_waits,
    count_idle,
    register_worker,
    report_slots,
    stop_worker,
)

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence

    from evtrack.runtime.worker.database.in_hand import SlotItem
    from evtrack.runtime.worker.state.worker_state import WorkerState

_HOST_LIMIT: Final = 255
_FIRST_BEAT_S: Final = 1.0
"""How long a new worker waits for its first heartbeat before it claims anything."""

_log = structlog.get_logger()


class WorkerSession:
    """Holds the worker's id, its connection and its heartbeat.

    Args:
        name: The worker's name for users; empty for host and process.
        slots: How many batches it runs at once.
        handlers: The handlers that it offers.
        news: Where the heartbeat reports what it learns.
        busy: Returns how many slots hold a batch.
        lose_grace_s: How long any worker counts as alive without its session.
        lease_s: How long any worker counts as alive without a heartbeat.
        state: Reports the workers that died on this host; None for no state directory.
        in_hand: Returns what the slots have in hand at a time of the monotonic clock; None for nothing.
    """

    def __init__(
        self,
        *,
        dsn: str,
        name: str,
        slots: int,
        handlers: Sequence[str],
        news: HeartbeatNews,
        busy: Callable[[], int],
        lose_grace_s: float,
        lease_s: float,
        state: WorkerState | None = None,
        in_hand: Callable[[float], list[SlotItem]] | None = None,
    ) -> None:
        self._dsn = dsn
        self._slots = slots
        self._handlers = sorted(handlers)
        # The canary is served but not registered: users did not ask to offer it.
        self._served = [*self._handlers, CANARY_HANDLER]
        self._news = news
        self._busy = busy
        self._lose_grace_s, self._lease_s = lose_grace_s, lease_s
        self._state = state
        self._in_hand = in_hand
        self._connection: Connection | None = None
        self._listener: Listener | None = None
        self._interrupt = Waker()
        self._host = storable(socket.gethostname(), _HOST_LIMIT)
        self.name = name or f"{self._host}:{os.getpid()}"
        self.worker_id = 0
        self.queue: Queue | None = None
        self.heartbeat: Heartbeat | None = None

    @property
    def is_fenced(self) -> bool:
        """Whether the heartbeat has learned that the worker was declared lost."""
        return self._news.is_fenced.is_set()

    @property
    def workers(self) -> int:
        """How many workers there are, as far as the heartbeat knows."""
        return 0 if self.heartbeat is None else self.heartbeat.workers

    @property
    def heard(self) -> Sequence[str]:
        """The handlers whose notifications reach this worker: none without a connection, or behind a pooler."""
        return self._handlers if self._connection is not None and not behind_pooler(self._connection) else ()

    def connect(self) -> None:
        """Connect again, without a queue.

        Raises:
            EvtrackError: The database cannot be reached.
        """
        self.disconnect()
        self._connection = connect(self._dsn, purpose="worker")
        bound_waits(self._connection)
        # Before anything is looked for: no notification is missed.
        channel = None if behind_pooler(self._connection) else WORK
        self._listener = Listener(connection=self._connection, channel=channel, waker=self._interrupt.socket)

    def open(self) -> Queue:
        """Connect, and register unless the worker is registered and was not declared lost.

        Returns:
            The queue.

        Raises:
            EvtrackError: The database cannot be reached, or rejects the worker.
        """
        if self._connection is None:
            self.connect()
        if not self.worker_id:
            self._register()
        if self.heartbeat is None:
            self._start_heartbeat()
        self.queue = self.queue_of(self.worker_id)
        return self.queue

    def queue_of(self, worker_id: int) -> Queue:
        """Return the queue of a worker: this one, or the one that it was before it was declared lost."""
        assert self._connection is not None  # noqa: S101  connect() is called first
        return Queue(connection=self._connection, worker_id=worker_id, handlers=self._served)

    def reset(self) -> None:
        """Give up the worker's id: the worker was declared lost."""
        self.disconnect()
        self.worker_id = 0
        if self.heartbeat is not None:
            self.heartbeat.stop()
            self.heartbeat = None
        self._news.is_fenced.clear()

    def disconnect(self) -> None:
        """Close the connection, whatever state it is in; the worker stays registered."""
        self.queue = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def wait_for_work(self, timeout_s: float | None) -> list[str]:
        """Wait until notifications announce work for the handlers, or until `interrupt`.

        Args:
            timeout_s: How long at most; None for as long as it takes.

        Returns:
            The handlers for which there may be work.

        Raises:
            EvtrackError: The connection is lost.
        """
        if self._listener is None:
            self._interrupt.wait(timeout_s)
            notified = []
        else:
            notified = self._listener.wait(timeout_s)
        self._interrupt.clear()
        return [handler for handler in notified if handler in self._served]

    def count_idle(self, handler: str) -> int:
        """Count the workers with a handler that have a free slot and get notifications.

        Raises:
            EvtrackError: The database cannot be reached.
        """
        return 0 if self._connection is None else count_idle(self._connection, handler)

    def interrupt(self) -> None:
        """End `wait_for_work`, or the next one if none has begun. Any thread may call this."""
        self._interrupt.set()

    def report_crash_loops(self, descriptions: deque[str | None]) -> None:
        """Raise alerts because slots keep dying before they do anything, or clear them because they recovered.

        Args:
            descriptions: What is wrong, or None when they recovered; what was reported is removed.

        Raises:
            EvtrackError: The database cannot be reached.
        """
        while descriptions and self._connection is not None:
            report_slots(self._connection, self.worker_id, descriptions[0])
            descriptions.popleft()
            wake_watchers(self._connection)

    def begin_stop(self) -> None:
        """Record that the worker was asked to stop: if it is killed before it has given its batches back, none crashed.

        If the database cannot be reached, the worker stops without it.
        """
        if self._connection is not None and self.queue is not None:
            with contextlib.suppress(EvtrackError):
                begin_stop(self._connection, self.worker_id)

    def unregister(self) -> None:
        """Give back all batches, and record that the worker stopped; nothing if it is not registered.

        Raises:
            EvtrackError: The database cannot be reached, or does not allow it.
        """
        if not self.worker_id:
            return
        queue = self.queue or self.open()
        # Normally none are left; after an error no batch must stay running under a dead worker.
        queue.reconcile([])
        assert self._connection is not None  # noqa: S101  the queue has it
        stop_worker(self._connection, self.worker_id)
        _log.info(log_names.WORKER_STOPPED)

    def close(self) -> None:
        """Close everything; a second call does nothing."""
        self.disconnect()
        self._interrupt.close()
        if self.heartbeat is not None:
            self.heartbeat.stop()

    def _register(self) -> None:
        assert self._connection is not None  # noqa: S101  connect() is called first
        self.worker_id = register_worker(
            self._connection,
            name=self.name,
            host=self._host,
            pid=os.getpid(),
            slots=self._slots,
            handlers=self._handlers,
            marks=True,
        )

    def _start_heartbeat(self) -> None:
        assert self._connection is not None  # noqa: S101  as above
        worker_id = self.worker_id
        if self._state is not None:
            self._state.record_registration(self._connection, worker_id)
        self.heartbeat = Heartbeat(
            dsn=self._dsn,
            worker_id=worker_id,
            news=self._news,
            busy=self._busy,
            grace_s=self._lose_grace_s,
            lease_s=self._lease_s,
            state=self._state,
            in_hand=None if self._in_hand is None else InHandReporter(self._in_hand),
        )
        self.heartbeat.start()
        # A worker that died before would be declared lost after its lease only, instead of the grace.
        self.heartbeat.first_beat.wait(_FIRST_BEAT_S)
        # On every log line of this thread from now on.
        bind_contextvars(worker_id=worker_id)
        _log.info(log_names.WORKER_REGISTERED, name=self.name, slots=self._slots, handlers=self._handlers)
