"""The periodic work that every worker and watcher does for all: reap lost workers, finish jobs, create partitions."""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, EvtrackError
from evtrack.storage.queue.job_control import wake_watchers, wake_workers
from evtrack.storage.queue.workers import finish_overdue, make_partitions, reap

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection

GRACE_S: Final = 5.0
"""How long a worker's session may be gone before the worker is declared lost: time to reconnect."""

LEASE_S: Final = 30.0
"""Age of a worker's last heartbeat at which the worker is declared lost."""

REAP_S: Final = 1.0
_OVERDUE_S: Final = 10.0
_PARTITIONS_S: Final = 3600.0

_log = structlog.get_logger()


class Maintenance:
    """Reaps every second, and does the rest less often. Any number may run at once: the database takes turns.

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
        # Workers that were started together should not query together.
        self._reap_at = monotonic() + REAP_S * random.random()  # noqa: S311  jitter
        self._overdue_at = self._reap_at + _OVERDUE_S
        self._partitions_at = self._reap_at

    def due_in_s(self, now: float) -> float:
        """Return how long nothing is due.

        Args:
            now: The monotonic clock.

        Returns:
            Seconds.
        """
        return max(0.0, self._reap_at - now)

    def run_due(self, connection: Connection, now: float) -> None:
        """Do what is due.

        Args:
            connection: Any connection, outside of a transaction.
            now: The monotonic clock.

        Raises:
            TransientError: The connection is lost.
        """
        if now < self._reap_at:
            return
        self._reap_at = now + REAP_S
        try:
            self._reap(connection)
            if now >= self._overdue_at:
                self._overdue_at = now + _OVERDUE_S
                for job_id in finish_overdue(connection):
                    _log.info(log_names.JOB_FINISHED, job_id=job_id)
            if now >= self._partitions_at:
                self._partitions_at = now + _PARTITIONS_S
                if made := make_partitions(connection):
                    _log.info(log_names.PARTITIONS_CREATED, days=made)
        except EvtrackError as error:
            if error.connection_lost:
                raise
            # Other processes do the same work, and this one retries soon.
            _log.warning(log_names.MAINTENANCE_FAILED, error=str(error))

    def _reap(self, connection: Connection) -> None:
        lost = reap(connection, grace_s=self._grace_s, lease_s=self._lease_s)
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
