"""Goes on after whatever passes: lost connections, restarts, failovers, a full disk, with growing pauses."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
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
        EvtrackError: A retry would not help: the database rejects the data itself.
    """
    failures = 0
    connected_at: float | None = None
    while not stopping.is_set():
        try:
            with connect(dsn, purpose=purpose) as connection:
                bound_waits(connection)
                if failures:
                    _log.info(log_names.DATABASE_RECONNECTED, connection=purpose, failures=failures)
                connected_at = monotonic()
                live(connection)
                return
        except EvtrackError as error:
            if not error.is_passing:
                raise
            # A server that takes connections and refuses all else, as a read-only one, is asked less and less often.
            if connected_at is not None and monotonic() - connected_at > _BACKOFF_MAX_S:
                failures = 0
            connected_at = None
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
