"""Logs that a command waits for the database."""

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError

_log = structlog.get_logger()


class OutageLog:
    """Logs the outages of a command's connection.

    Args:
        connection: What the connection is for.
    """

    def __init__(self, connection: str) -> None:
        self._connection = connection

    def failed(self, error: EvtrackError, *, failures: int, retry_in_s: float) -> None:
        """Log that a try has failed, the first and every tenth."""
        if failures % 10 == 1:
            _log.warning(
                log_names.DATABASE_ERROR,
                connection=self._connection,
                error=str(error),
                failures=failures,
                retry_in_s=round(retry_in_s, 2),
            )

    def recovered(self, *, failures: int) -> None:
        """Log that the database answers again."""
        _log.info(log_names.DATABASE_RECONNECTED, connection=self._connection, failures=failures)
