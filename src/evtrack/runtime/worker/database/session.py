"""A worker's standing with the database: registered, alive, with a queue to speak to."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import structlog
from structlog.contextvars import bind_contextvars, unbind_contextvars

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.maintenance import GRACE_S, LEASE_S
from evtrack.runtime.slot.handlers import CANARY_HANDLER
from evtrack.runtime.worker.database.heartbeat import Heartbeat
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.queue.queue import Queue
from evtrack.storage.queue.workers import register_worker, report_slots, stop_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evtrack.runtime.waker import Waker

_log = structlog.get_logger()


class WorkerSession:
    """Holds the worker's number, its connection and its lifeline.

    Args:
        dsn: The connection string.
        name: What people call the worker; empty for host and process.
        slots: How many batches it runs at once.
        handlers: What it offers.
        wake: What the lifeline sets when something happened.
        busy: Tells how many slots have something in hand.
        lose_grace_s: How long any worker counts as alive without its session.
        lease_s: How long any worker counts as alive without a heartbeat.
    """

    def __init__(
        self,
        *,
        dsn: str,
        name: str,
        slots: int,
        handlers: Sequence[str],
        wake: Waker,
        busy: Callable[[], int],
        lose_grace_s: float = GRACE_S,
        lease_s: float = LEASE_S,
    ) -> None:
        self._dsn = dsn
        self._slots = slots
        self._handlers = sorted(handlers)
        self._wake = wake
        self._busy = busy
        self._lose_grace_s, self._lease_s = lose_grace_s, lease_s
        self._connection: Connection | None = None
        self._host = socket.gethostname()
        self.name = name or f"{self._host}:{os.getpid()}"
        self.worker_id = 0
        self.queue: Queue | None = None
        self.lifeline: Heartbeat | None = None

    def open(self) -> Queue:
        """Connect and register.

        Returns:
            The queue.

        Raises:
            EvtrackError: There is no connection.
        """
        connection = self._connection = connect(self._dsn, purpose="worker")
        self.worker_id = register_worker(
            connection,
            name=self.name,
            host=self._host,
            pid=os.getpid(),
            slots=self._slots,
            handlers=self._handlers,
        )
        self.lifeline = Heartbeat(
            dsn=self._dsn,
            worker_id=self.worker_id,
            handlers=[*self._handlers, CANARY_HANDLER],
            wake=self._wake,
            busy=self._busy,
            grace_s=self._lose_grace_s,
            lease_s=self._lease_s,
        )
        self.lifeline.start()
        # On every line of this thread from now on.
        bind_contextvars(worker_id=self.worker_id)
        _log.info(log_names.WORKER_REGISTERED, name=self.name, slots=self._slots, handlers=self._handlers)
        return self._speak(connection)

    def reconnect(self) -> Queue:
        """Connect again, as the same worker unless that one was declared lost.

        Returns:
            The queue.

        Raises:
            EvtrackError: There is no connection yet.
        """
        self.drop()
        if not self.worker_id:
            return self.open()
        self._connection = connect(self._dsn, purpose="worker")
        return self._speak(self._connection)

    def forget(self) -> None:
        """Be that worker no more: it was declared lost."""
        self.drop()
        self.worker_id = 0
        if self.lifeline is not None:
            self.lifeline.stop()
            self.lifeline = None

    def drop(self) -> None:
        """Let go of the connection, whatever state it is in."""
        self.queue = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def report_slots(self, said: str | None) -> None:
        """Have people told that slots die again and again before they do anything, or live again.

        Args:
            said: What is wrong; None when no more.

        Raises:
            EvtrackError: There is no connection.
        """
        if self._connection is not None:
            report_slots(self._connection, self.worker_id, said)

    def close(self) -> None:
        """Give back whatever it still holds, take the worker back, close everything; a second time does nothing."""
        if self._connection is not None and self.queue is not None:
            try:
                # In good order there is nothing left; after an error nothing may stay running under a dead worker.
                self.queue.reconcile([])
                stop_worker(self._connection, self.worker_id)
                _log.info(log_names.WORKER_STOPPED)
            except EvtrackError as error:
                _log.warning(log_names.WORKER_NOT_TAKEN_BACK, error=str(error))
        self.drop()
        if self.lifeline is not None:
            self.lifeline.stop()
        unbind_contextvars("worker_id")

    def _speak(self, connection: Connection) -> Queue:
        # What it registers is what people asked it to offer.
        served = [*self._handlers, CANARY_HANDLER]
        self.queue = Queue(connection=connection, worker_id=self.worker_id, handlers=served)
        return self.queue
