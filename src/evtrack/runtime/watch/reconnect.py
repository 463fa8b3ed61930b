"""Reconnects after lost connections and restarts of the database, with growing pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.database_errors import CannotConnect, StorageError, TransientError
from evtrack.runtime.backoff import backoff_s
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.queue.workers import bound_waits

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_BACKOFF_S: Final = 0.1
_BACKOFF_MAX_S: Final = 5.0

_log = structlog.get_logger()


def run_reconnecting(dsn: str, live: Callable[[Connection], None], *, purpose: str, stopping: threading.Event) -> None:
    """Run something on a connection, and again on a new one whenever the database fails.

    Args:
        live: What to run; it returns when it is stopped.
        purpose: What the connection is for.
        stopping: Ends it, even during a pause.

    Raises:
        EvtrackError: A retry would not help: a missing right or schema.
    """
    failures = 0
    while not stopping.is_set():
        try:
            with connect(dsn, purpose=purpose) as connection:
                bound_waits(connection)
                if failures:
                    _log.info(log_names.DATABASE_RECONNECTED, connection=purpose, failures=failures)
                    failures = 0
                live(connection)
                return
        except (TransientError, CannotConnect, StorageError) as error:
            failures += 1
            pause_s = backoff_s(failures, first_s=_BACKOFF_S, longest_s=_BACKOFF_MAX_S)
            _log.warning(
                log_names.DATABASE_ERROR,
                connection=purpose,
                error=str(error),
                failures=failures,
                retry_in_s=round(pause_s, 2),
            )
            stopping.wait(pause_s)
