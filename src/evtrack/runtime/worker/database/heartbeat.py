"""The worker's second thread: listens for work, holds the lock that says it lives, beats, and reaps who does not."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog
from structlog.contextvars import bind_contextvars

from evtrack.domain import log_names
from evtrack.runtime.backoff import backoff_s
from evtrack.runtime.maintenance import GRACE_S, LEASE_S, Maintenance
from evtrack.runtime.waker import Waker
from evtrack.storage.connection.connect import Connection, behind_pooler, connect
from evtrack.storage.connection.listener import WORK, Listener
from evtrack.storage.queue.workers import bound_waits, heartbeat, lock_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BACKOFF_S: Final = 0.2
_BACKOFF_MAX_S: Final = 1.0
"""Well below the grace after which a worker without a session is lost, so that a server's restart costs none."""

_HOLD_S: Final = 1.0
_JOIN_S: Final = 15.0

_log = structlog.get_logger()


class Heartbeat:
    """Keeps a worker known as alive on a connection of its own, and wakes it when there is work.

    Args:
        dsn: The connection string.
        worker_id: The worker, as registered.
        handlers: The handlers whose work it wakes for.
        wake: What to set when something happened.
        busy: Tells how many slots have something in hand.
        grace_s: How long any worker's session may be gone before it is declared lost.
        lease_s: How old a heartbeat may grow; this worker's is written three times as often.
    """

    def __init__(
        self,
        *,
        dsn: str,
        worker_id: int,
        handlers: Iterable[str],
        wake: Waker,
        busy: Callable[[], int],
        grace_s: float = GRACE_S,
        lease_s: float = LEASE_S,
    ) -> None:
        self.fenced = False
        self.heard = False
        self._dsn = dsn
        self._worker_id = worker_id
        self._handlers = frozenset(handlers)
        self._wake = wake
        self._busy = busy
        self._beat_s = lease_s / 3
        self._upkeep = Maintenance(grace_s=grace_s, lease_s=lease_s)
        self._said_pooled = False
        self._stopping = threading.Event()
        self._nudge = Waker()
        self._thread = threading.Thread(target=self._run, name="evtrack-lifeline", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, at once; a second stop does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._nudge.set()
            if self._thread.ident is not None:
                self._thread.join(_JOIN_S)
            self._nudge.close()

    def _run(self) -> None:
        bind_contextvars(worker_id=self._worker_id)
        failures = 0
        while not self._stopping.is_set() and not self.fenced:
            try:
                with connect(self._dsn, purpose="worker's lifeline") as connection:
                    bound_waits(connection)
                    pooled = behind_pooler(connection)
                    if pooled:
                        self._say_pooled()
                    listener = Listener(
                        connection=connection, channel=None if pooled else WORK, waker=self._nudge.socket
                    )
                    failures = 0
                    # Whatever was notified while nobody listened is lost, so look.
                    self._tell(heard=True)
                    try:
                        self._live(listener, connection, pooled=pooled)
                    finally:
                        listener.close()
            except Exception as error:  # noqa: BLE001  without this thread the worker would be taken for dead
                failures += 1
                pause_s = backoff_s(failures, first_s=_BACKOFF_S, longest_s=_BACKOFF_MAX_S)
                _log.warning(log_names.LIFELINE_LOST, error=str(error), failures=failures, again_in_s=round(pause_s, 2))
                self._stopping.wait(pause_s)

    def _live(self, listener: Listener, connection: Connection, *, pooled: bool) -> None:
        # A lock that stays with a session of the pooler's would outlive the worker, and say nothing of it.
        held = pooled
        hold_at = beat_at = 0.0
        while not self._stopping.is_set():
            now = monotonic()
            if not held and now >= hold_at:
                # An earlier connection of this worker may take a while to die, and holds the lock until then.
                held = lock_worker(connection, self._worker_id)
                hold_at = now + _HOLD_S
            if now >= beat_at:
                pulse = heartbeat(connection, self._worker_id, busy=self._busy())
                if not pulse.accepted:
                    self.fenced = True
                    self._tell(heard=False)
                    return
                if held and not pulse.session_lock:
                    self._say_pooled()
                beat_at = now + self._beat_s
            self._upkeep.tend(connection, now)
            now = monotonic()
            due_s = min(beat_at - now, self._upkeep.patience(now))
            heard = listener.wait(max(0.0, due_s if held else min(due_s, hold_at - now)))
            if not self._handlers.isdisjoint(heard):
                self._tell(heard=True)

    def _say_pooled(self) -> None:
        if not self._said_pooled:
            self._said_pooled = True
            _log.warning(
                log_names.SESSION_LOCK_UNUSABLE,
                hint="behind a pooler the heartbeat alone says that this worker lives: it is missed after"
                " the lease, not after the grace, and work is noticed by polling; a direct --dsn is better",
            )

    def _tell(self, *, heard: bool) -> None:
        self.heard = self.heard or heard
        self._wake.set()
