"""The worker's heartbeat thread: sends heartbeats and holds the session lock."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog
from structlog.contextvars import bind_contextvars

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.maintenance import Maintenance
from evtrack.runtime.repeated_failure import RepeatedFailure
from evtrack.runtime.waker import Waker
from evtrack.runtime.worker.database.upkeep import Upkeep
from evtrack.storage.connection.connect import Connection, behind_pooler, connect
from evtrack.storage.connection.listener import Listener
from evtrack.storage.queue.workers import bound_waits, heartbeat, lock_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.runtime.worker.database.in_hand import InHandReporter
    from evtrack.runtime.worker.state.worker_state import WorkerState

_BACKOFF_S: Final = 0.2
_BACKOFF_MAX_S: Final = 1.0
"""Well below the grace after which a worker without a session is lost, so that no server restart costs a worker."""

_LOCK_RETRY_S: Final = 1.0
_RETRY_S: Final = 1.0
_LONGEST_LOCK_S: Final = 5.0
_LONGEST_STATEMENT_S: Final = 10.0
_LEAST_ANSWER_S: Final = 5.0
"""A server that is silent for the lease hangs; with a short lease, it may just be slow."""

_CHANGED_S: Final = 1.0
"""How soon after a heartbeat another one reports that other slots are busy."""

_JOIN_S: Final = 15.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HeartbeatNews:
    """What a worker's threads for the database report to its supervisor.

    Args:
        waker: Wakes the supervisor.
        has_work: Set when there may be work; who looks for it clears it first.
        is_fenced: Set when the worker was declared lost; cleared before it registers again.
    """

    waker: Waker
    has_work: threading.Event = field(default_factory=threading.Event)
    is_fenced: threading.Event = field(default_factory=threading.Event)


class Heartbeat:
    """Keeps a worker registered as alive on a connection of its own.

    Args:
        news: Reports to the worker's other threads.
        busy: Returns how many slots hold a batch.
        grace_s: How long any worker's session may be gone before the worker is declared lost.
        lease_s: How old any worker's heartbeat may be; this worker sends three in that time.
        state: Reports the workers that died on this host.
        in_hand: Reports what the slots have in hand.
    """

    def __init__(
        self,
        *,
        dsn: str,
        worker_id: int,
        news: HeartbeatNews,
        busy: Callable[[], int],
        grace_s: float,
        lease_s: float,
        state: WorkerState | None = None,
        in_hand: InHandReporter | None = None,
    ) -> None:
        self.first_beat = threading.Event()
        """Set once the database knows that the worker is alive, and by which lock."""
        self._dsn = dsn
        self._worker_id = worker_id
        self._news = news
        self._busy = busy
        self._lease_s, self._beat_s = lease_s, lease_s / 3
        self._maintenance = Maintenance(grace_s=grace_s, lease_s=lease_s)
        self._upkeep = Upkeep(dsn=dsn, worker_id=worker_id, maintenance=self._maintenance, state=state)
        self._in_hand = in_hand
        self._warned_of_pooler = False
        self._failures = RepeatedFailure(
            lambda **facts: _log.warning(log_names.HEARTBEAT_FAILED, **facts), first_s=_RETRY_S, longest_s=_RETRY_S
        )
        self._stopping = threading.Event()
        self._own_waker = Waker()
        self._thread = threading.Thread(target=self._run, name="evtrack-heartbeat", daemon=True)

    @property
    def pace_s(self) -> float:
        """How often an idle worker may ask for work; the more workers there are, the less often each."""
        return self._maintenance.pace_s

    @property
    def workers(self) -> int:
        """How many workers there are, as far as is known."""
        return self._maintenance.workers

    @property
    def has_turn(self) -> bool:
        """Whether this worker looks for lost workers for all."""
        return self._maintenance.has_turn

    def start(self) -> None:
        """Start the thread, and that of the upkeep."""
        self._thread.start()
        self._upkeep.start()

    def stop(self) -> None:
        """Stop both threads at once; a second call does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._own_waker.set()
            self._upkeep.stop()
            if self._thread.ident is not None:
                self._thread.join(_JOIN_S)
            self._own_waker.close()

    def _run(self) -> None:
        bind_contextvars(worker_id=self._worker_id)
        failures = RepeatedFailure(
            lambda **facts: _log.warning(log_names.HEARTBEAT_CONNECTION_LOST, **facts),
            first_s=_BACKOFF_S,
            longest_s=_BACKOFF_MAX_S,
        )
        while not self._stopping.is_set() and not self._news.is_fenced.is_set():
            try:
                with connect(self._dsn, purpose="worker's heartbeat") as connection:
                    bound_waits(connection, **self._bounds(), answer_s=max(self._lease_s, _LEAST_ANSWER_S))
                    pooled = behind_pooler(connection)
                    if pooled:
                        self._warn_of_pooler()
                    # To nothing but its end: whoever looks for lost workers counts from then.
                    listener = Listener(connection=connection, channel=None, waker=self._own_waker.socket)
                    try:
                        self._beat(listener, connection, pooled=pooled, works=failures.reset)
                    finally:
                        listener.close()
            except Exception as error:  # noqa: BLE001  without this thread the worker would be declared lost
                self._stopping.wait(failures.record(error))

    def _bounds(self) -> dict[str, str]:
        # Nothing that this connection waits for may take so long that the next heartbeat comes too late.
        return {
            "lock": f"{min(_LONGEST_LOCK_S, self._beat_s / 2) * 1000:.0f}ms",
            "statement": f"{min(_LONGEST_STATEMENT_S, self._beat_s) * 1000:.0f}ms",
        }

    def _beat(self, listener: Listener, connection: Connection, *, pooled: bool, works: Callable[[], None]) -> None:
        # A lock that stays with a session of the pooler's would outlive the worker, and prove nothing.
        lock_pid: int | None = 0 if pooled else None
        lock_at = beat_at = changed_at = 0.0
        reported = -1
        while not self._stopping.is_set():
            now = monotonic()
            if lock_pid is None and now >= lock_at:
                # An earlier connection of this worker may take a while to die, and holds the lock until then.
                lock_pid = lock_worker(connection, self._worker_id)
                lock_at = now + _LOCK_RETRY_S
                beat_at = now if lock_pid is not None else beat_at
            busy = self._busy()
            if now >= self._send_at(beat_at, now) or (busy != reported and now >= changed_at):
                sent = self._send(connection, busy, lock_pid or 0)
                works()
                if self._news.is_fenced.is_set():
                    return
                reported = busy
                beat_at, changed_at = now + (self._beat_s if sent else _RETRY_S), now + _CHANGED_S
            self._maintenance.ask(connection, now)
            if self._maintenance.has_turn:
                self._upkeep.wake()
            if self._in_hand is not None:
                self._in_hand.run_due(connection, self._worker_id, now)
            now = monotonic()
            due_s = min(beat_at - now, self._maintenance.ask_in_s(now), _CHANGED_S)
            listener.wait(max(0.0, due_s if lock_pid is not None else min(due_s, lock_at - now)))

    def _send_at(self, beat_at: float, now: float) -> float:
        """Return when to send the heartbeat that is due at `beat_at`: it may come earlier to ask for the turn too."""
        asks = self._maintenance.ask_in_s(now) <= 0
        return beat_at - self._maintenance.turn_s / 2 if asks else beat_at

    def _send(self, connection: Connection, busy: int, lock_pid: int) -> bool:
        """Send a heartbeat, and return whether it arrived."""
        try:
            pulse = heartbeat(connection, self._worker_id, busy=busy, lock_pid=lock_pid)
        except EvtrackError as error:
            if error.connection_lost:
                raise
            # The session still shows that this worker is alive, so it must not be closed.
            self._failures.record(error)
            return False
        self._failures.reset()
        if not pulse.accepted:
            self._announce_end()
        else:
            self._maintenance.learn(pulse.turn, monotonic())
            if lock_pid and not pulse.session_lock:
                self._warn_of_pooler()
        self.first_beat.set()
        return True

    def _warn_of_pooler(self) -> None:
        if not self._warned_of_pooler:
            self._warned_of_pooler = True
            _log.warning(
                log_names.SESSION_LOCK_UNAVAILABLE,
                hint="behind a pooler only the heartbeat shows that this worker lives: if it dies, it is declared lost"
                " after the lease instead of the grace, and it finds work by polling; a direct --dsn is better",
            )

    def _announce_end(self) -> None:
        if not self._stopping.is_set():  # then it is about a registration that was given up
            self._news.is_fenced.set()
            self._news.waker.set()
