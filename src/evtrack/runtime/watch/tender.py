"""The watcher's second thread: reaps, finishes and makes partitions as workers do, and looks for what is wrong."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import EvtrackError
from evtrack.runtime.watch.persistence import persist

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.runtime.upkeep import Upkeep
    from evtrack.storage.database import Connection

_JOIN_S: Final = 15.0


class Tender:
    """Does the watcher's periodic work on a connection of its own, so that no alert waits for it.

    Args:
        dsn: The connection string.
        upkeep: What every worker does too.
        on_end: Called when it cannot go on.
    """

    def __init__(self, *, dsn: str, upkeep: Upkeep, on_end: Callable[[], None]) -> None:
        self.error: EvtrackError | None = None
        self._dsn, self._upkeep, self._on_end = dsn, upkeep, on_end
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evtrack-tender", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a second stop does nothing."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            persist(self._dsn, self._live, purpose="watcher's upkeep", stopping=self._stopping)
        except EvtrackError as error:
            self.error = error
            self._on_end()

    def _live(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            now = monotonic()
            self._upkeep.tend(connection, now)
            self._stopping.wait(self._upkeep.patience(monotonic()))
