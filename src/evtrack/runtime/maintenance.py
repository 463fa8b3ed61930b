"""The periodic work that one worker or watcher does for all: reap lost workers, finish jobs, create partitions."""

from __future__ import annotations

import random
import secrets
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, EvtrackError
from evtrack.runtime.repeated_failure import RepeatedFailure
from evtrack.storage.queue.job_control import wake_watchers, wake_workers
from evtrack.storage.queue.notify_queue import MAX_USED, notify_queue
from evtrack.storage.queue.upkeep_turn import upkeep_turn
from evtrack.storage.queue.workers import compact_open_jobs, finish_overdue, make_partitions, reap

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.queue.upkeep_turn import UpkeepTurn

GRACE_S: Final = 5.0
"""How long a worker's session may be gone before the worker is declared lost: time to reconnect."""

LEASE_S: Final = 30.0
"""Age of a worker's last heartbeat at which the worker is declared lost."""

REAP_S: Final = 0.4
"""How often whoever has the turn looks for lost workers. The SQL function keep_time() expects this pace."""

TURN_S: Final = 1.0
"""How often the others ask whether the turn is theirs, in a fleet of up to 20 workers; more ask less often each."""

LONGEST_TURN_S: Final = LEASE_S / 3
"""From 200 workers on: then the heartbeat asks, and nothing else does."""

LONGEST_POLL_S: Final = 5.0
"""How often a worker without work looks for some at least, even in the largest fleet."""

_LONGEST_PAUSE_S: Final = 5.0
"""How long at most to wait after calls that failed."""

_LEAST_NUMBER: Final = 10**11
_SMALL_FLEET: Final = 20
_OVERDUE_S: Final = 10.0
_PARTITIONS_S: Final = 3600.0
_NOTIFY_QUEUE_S: Final = 60.0

_log = structlog.get_logger()


def pace_s(workers: int, longest_s: float = LONGEST_POLL_S) -> float:
    """Return how often each member of a fleet may ask the database something, so that all ask at a constant rate.

    Args:
        workers: How many members there are.
        longest_s: How seldom at most.

    Returns:
        Seconds.
    """
    return min(longest_s, max(TURN_S, TURN_S * workers / _SMALL_FLEET))


class Maintenance:
    """Looks for lost workers while it has the turn, and does the rest less often. One of all that run has the turn.

    Args:
        grace_s: How long a worker's session may be gone.
        lease_s: How old a worker's last heartbeat may be.
    """

    def __init__(self, *, grace_s: float = GRACE_S, lease_s: float = LEASE_S) -> None:
        if grace_s < 0:
            raise BadArgument(f"grace_s must not be negative, got {grace_s}")
        if lease_s <= 0:
            raise BadArgument(f"lease_s must be above 0, got {lease_s}")
        self._grace_s, self._lease_s = grace_s, lease_s
        self._reaper = _LEAST_NUMBER + secrets.randbelow(9 * _LEAST_NUMBER)
        self.has_turn = False
        """Whether this one looks for all, as far as it knows."""
        self.workers = 0
        """How many workers there are, as far as is known."""
        self._looked_at: float | None = None
        self._ask_failures, self._work_failures = (
            RepeatedFailure(
                lambda **facts: _log.warning(log_names.MAINTENANCE_FAILED, **facts),
                first_s=REAP_S,
                longest_s=_LONGEST_PAUSE_S,
            )
            for _ in range(2)
        )
        self._ask_at = self._reap_at = self._partitions_at = self._notify_queue_at = 0.0
        self._overdue_at = monotonic() + _OVERDUE_S

    @property
    def pace_s(self) -> float:
        """How often a worker without work may look for some: more workers look less often each."""
        return pace_s(self.workers)

    @property
    def turn_s(self) -> float:
        """How often this one asks for the turn."""
        return pace_s(self.workers, LONGEST_TURN_S)

    @property
    def is_failing(self) -> bool:
        """Whether the last call failed."""
        return bool(self._ask_failures.count or self._work_failures.count)

    def ask_in_s(self, now: float) -> float:
        """Return how long there is no need to ask for the turn.

        Args:
            now: The monotonic clock.

        Returns:
            Seconds.
        """
        return max(0.0, self._ask_at - now)

    def due_in_s(self, now: float) -> float:
        """Return how long nothing is due.

        Args:
            now: The monotonic clock.

        Returns:
            Seconds.
        """
        return max(0.0, min(self._ask_at, self._reap_at) - now) if self.has_turn else self.ask_in_s(now)

    def ask(self, connection: Connection, now: float) -> None:
        """Find out whether this one has the turn, if it is time.

        Args:
            connection: Any connection, outside of a transaction.
            now: The monotonic clock.

        Raises:
            TransientError: The connection is lost.
        """
        if now < self._ask_at:
            return
        try:
            self.learn(upkeep_turn(connection), now)
        except EvtrackError as error:
            if error.connection_lost:
                raise
            self._ask_at = now + max(self.turn_s, self._ask_failures.record(error))

    def learn(self, turn: UpkeepTurn, now: float) -> None:
        """Take note of who has the turn, which need not be asked again for a while.

        Args:
            turn: What the database says.
            now: The monotonic clock.
        """
        self._ask_failures.reset()
        self.has_turn = turn.is_open_to(self._reaper)
        self.workers = turn.workers or 0
        # Who took the turn by mistake, as after a moment in which the server stood still, soon gives it up.
        ask_s = TURN_S if self.has_turn else self.turn_s
        self._ask_at = now + ask_s * (0.75 + random.random() / 2)  # noqa: S311  jitter

    def run_due(self, connection: Connection, now: float) -> None:
        """Ask for the turn, and do what is due if this one has it.

        Args:
            connection: Any connection, outside of a transaction.
            now: The monotonic clock.

        Raises:
            TransientError: The connection is lost.
        """
        self.ask(connection, now)
        self.work(connection, now)

    def work(self, connection: Connection, now: float) -> None:
        """Do what is due, if this one has the turn.

        Args:
            connection: Any connection, outside of a transaction.
            now: The monotonic clock.

        Raises:
            TransientError: The connection is lost.
        """
        if not self.has_turn or now < self._reap_at:
            return
        self._reap_at = now + REAP_S
        try:
            self._reap(connection)
            if now >= self._overdue_at:
                self._overdue_at = now + _OVERDUE_S
                for job_id in finish_overdue(connection):
                    _log.info(log_names.JOB_FINISHED, job_id=job_id)
                compact_open_jobs(connection)
            if now >= self._partitions_at:
                self._partitions_at = now + _PARTITIONS_S
                if made := make_partitions(connection):
                    _log.info(log_names.PARTITIONS_CREATED, days=made)
            if now >= self._notify_queue_at:
                self._notify_queue_at = now + _NOTIFY_QUEUE_S
                _look_at_notifications(connection)
        except EvtrackError as error:
            if error.connection_lost:
                raise
            # If it takes long, another takes the turn; and this one retries soon.
            self._reap_at = max(self._reap_at, now + self._work_failures.record(error))
        else:
            self._work_failures.reset()

    def _reap(self, connection: Connection) -> None:
        elapsed_s = None if self._looked_at is None else monotonic() - self._looked_at
        lost = reap(connection, grace_s=self._grace_s, lease_s=self._lease_s, reaper=self._reaper, elapsed_s=elapsed_s)
        # Only after a call that succeeded, and from its end: what it took itself, as while the server stood still, is
        # nobody's silence.
        self._looked_at = monotonic()
        for worker in lost:
            _log.error(
                log_names.WORKER_LOST,
                lost_worker_id=worker.worker_id,
                name=worker.name,
                why=worker.why,
                batches=worker.batches,
                handlers=worker.handlers,
            )
        for handler in sorted({handler for worker in lost if worker.batches for handler in worker.handlers}):
            wake_workers(connection, handler)
        if lost:
            wake_watchers(connection)
        if any(worker.batches for worker in lost):
            # A batch whose budget is used up has ended, and its job may have finished with it.
            self._overdue_at = 0.0


def _look_at_notifications(connection: Connection) -> None:
    found = notify_queue(connection)
    if found.used > MAX_USED:
        _log.warning(
            log_names.NOTIFY_QUEUE_FILLING,
            used_pct=round(100 * found.used),
            pid=found.pid,
            application=found.application,
            open_s=round(found.open_s),
            hint="a session that listens has a transaction open: end it; see `evtrack doctor`",
        )
