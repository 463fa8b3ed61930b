"""The thread that does a worker's upkeep for all on a connection of its own, so that no heartbeat waits for it."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog
from structlog.contextvars import bind_contextvars

from evtrack.domain import log_names
from evtrack.runtime.maintenance import REAP_S
from evtrack.runtime.repeated_failure import RepeatedFailure
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.queue.workers import bound_waits

if TYPE_CHECKING:
    from evtrack.runtime.maintenance import Maintenance
    from evtrack.runtime.worker.state.worker_state import WorkerState

_IDLE_S: Final = 5.0
"""How long the connection is kept without need: one worker of a fleet has one."""

_LONGEST_PAUSE_S: Final = 5.0
_JOIN_S: Final = 2.0


_log = structlog.get_logger()


class Upkeep:
    """Looks for workers that died on this host, and for all lost workers while this worker has the turn.

    Args:
        worker_id: This worker.
        maintenance: Knows whether this worker has the turn; the heartbeat asks for it.
        state: Reports the workers that died on this host.
    """

    def __init__(self, *, dsn: str, worker_id: int, maintenance: Maintenance, state: WorkerState | None) -> None:
        self._dsn, self._worker_id = dsn, worker_id
        self._maintenance, self._state = maintenance, state
        self._connection: Connection | None = None
        self._used_at = 0.0
        self._is_stopping = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evtrack-upkeep", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Let the thread notice that this worker has the turn."""
        self._woken.set()

    def stop(self) -> None:
        """Stop the thread; a second call does nothing."""
        self._is_stopping = True
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        bind_contextvars(worker_id=self._worker_id)
        failures = RepeatedFailure(
            lambda **facts: _log.warning(log_names.MAINTENANCE_FAILED, **facts),
            first_s=REAP_S,
            longest_s=_LONGEST_PAUSE_S,
        )
        while not self._is_stopping:
            pause_s = REAP_S
            try:
                self._run_due(monotonic())
                failures.reset()
                if self._maintenance.has_turn:
                    pause_s = self._maintenance.due_in_s(monotonic())
            except Exception as error:  # noqa: BLE001  nobody else reports the workers that died here
                pause_s = failures.record(error)
                self._disconnect()
            self._woken.wait(pause_s)
            self._woken.clear()
        self._disconnect()

    def _run_due(self, now: float) -> None:
        if self._state is not None:
            # Before workers are declared lost: what this one knows about them would come too late.
            self._state.run_due(self._connected, self._worker_id, now)
        if self._maintenance.has_turn:
            self._maintenance.work(self._connected(), monotonic())
        elif self._connection is not None and now - self._used_at > _IDLE_S:
            self._disconnect()

    def _connected(self) -> Connection:
        self._used_at = monotonic()
        if self._connection is None:
            self._connection = connect(self._dsn, purpose="worker's upkeep")
            bound_waits(self._connection)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
