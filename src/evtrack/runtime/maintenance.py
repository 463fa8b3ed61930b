"""What every worker and watcher does for all: declare lost who is, end what is over, make the days to come."""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, EvtrackError, TransientError
from evtrack.storage.queue.job_control import wake_workers
from evtrack.storage.queue.workers import finish_overdue, make_partitions, reap

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection

GRACE_S: Final = 5.0
"""How long a worker's session may be gone before it counts as lost: time to connect again."""

LEASE_S: Final = 30.0
"""A worker whose heartbeat is older than this is lost."""

REAP_S: Final = 1.0
_OVERDUE_S: Final = 10.0
_PARTITIONS_S: Final = 3600.0

_log = structlog.get_logger()


class Maintenance:
    """Reaps each second, and sees to the rest more seldom. Any number may do so at once: the database takes turns.

    Args:
        grace_s: How long a worker's session may be gone.
        lease_s: How old a worker's heartbeat may be.
    """

    def __init__(self, *, grace_s: float = GRACE_S, lease_s: float = LEASE_S) -> None:
        if grace_s < 0:
            raise BadArgument(f"grace_s must not be negative, got {grace_s}")
        if lease_s <= 0:
            raise BadArgument(f"lease_s must be above 0, got {lease_s}")
        self._grace_s, self._lease_s = grace_s, lease_s
        # Workers that were started together need not ask together.
        self._reap_at = monotonic() + REAP_S * random.random()  # noqa: S311  jitter
        self._overdue_at = self._reap_at + _OVERDUE_S
        self._partitions_at = self._reap_at

    def patience(self, now: float) -> float:
        """Tell how long nothing is due.

        Args:
            now: The monotonic clock.

        Returns:
            Seconds.
        """
        return max(0.0, self._reap_at - now)

    def tend(self, connection: Connection, now: float) -> None:
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
                    _log.info(log_names.PARTITIONS_MADE, days=made)
        except EvtrackError as error:
            if isinstance(error, TransientError) and error.connection_lost:
                raise
            # Others try too, and so does this one, soon.
            _log.warning(log_names.UPKEEP_FAILED, error=str(error))

    def _reap(self, connection: Connection) -> None:
        lost = reap(connection, grace_s=self._grace_s, lease_s=self._lease_s)
        for one in lost:
            _log.error(
                log_names.WORKER_LOST,
                lost_worker_id=one.worker_id,
                name=one.name,
                why=one.why,
                batches=one.batches,
                handlers=one.handlers,
            )
        for handler in sorted({handler for one in lost if one.batches for handler in one.handlers}):
            wake_workers(connection, handler)
        if any(one.batches for one in lost):
            # Batches that came back too often are over, and with them perhaps their job.
            self._overdue_at = 0.0
