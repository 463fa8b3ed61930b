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


def run_reconnecting(
    dsn: str, live: Callable[[Connection, Callable[[], None]], None], *, purpose: str, stopping: threading.Event
) -> None:
    """Run something on a connection, and again on a new one whenever the database fails.

    Args:
        live: What to run, on a connection; it returns when it is stopped. It calls its second argument when the
            database has done what it asked for: a read-only one takes connections, and the outage goes on.
        purpose: What the connection is for.
        stopping: Ends it, even during a pause.

    Raises:
        EvtrackError: A retry would not help: the database rejects the data itself.
    """
    failures = 0
    works_since: float | None = None

    def works() -> None:
        nonlocal works_since
        if works_since is None:
            works_since = monotonic()
            if failures:
                _log.info(log_names.DATABASE_RECONNECTED, connection=purpose, failures=failures)

    while not stopping.is_set():
        try:
            with connect(dsn, purpose=purpose) as connection:
                bound_waits(connection)
                live(connection, works)
                return
        except EvtrackError as error:
            if not error.is_passing:
                raise
            # A server that takes connections and refuses all else, as a read-only one, is asked less and less often.
            if works_since is not None and monotonic() - works_since > _BACKOFF_MAX_S:
                failures = 0
            works_since = None
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
