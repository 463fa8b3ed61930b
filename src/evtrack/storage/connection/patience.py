"""Waiting out a database that is away, for a bounded time."""

from __future__ import annotations

import time
from threading import Event
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar

from evtrack.domain.database_errors import CannotConnect, ReadOnly, TransientError
from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import Connection, connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

PATIENCE_S: Final = 300.0
"""How long followers and submitters wait for a database that is away."""

ANSWER_S: Final = 120.0
"""How long the server may stay silent in a statement of a follower before the next host is tried."""

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_DOUBLINGS: Final = 10


class OutageObserver(Protocol):
    """Reports an outage to the user."""

    def failed(self, error: EvtrackError, *, failures: int, retry_in_s: float) -> None:
        """A try has failed, and another one follows."""
        ...

    def recovered(self, *, failures: int) -> None:
        """The database answers again."""
        ...


class Patience:
    """Decides between waiting and giving up when the database fails.

    Args:
        limit_s: How long an outage may last.
        observer: Who reports it; None for nobody.
        waits_at_start: Whether to wait for a server that is away before it has answered once; the database may still
            refuse the first statement at once, for example because a right is missing.
    """

    def __init__(
        self, *, limit_s: float = PATIENCE_S, observer: OutageObserver | None = None, waits_at_start: bool = False
    ) -> None:
        self._limit_s = limit_s
        self._observer = observer
        self._waits_at_start = waits_at_start
        self._has_answered = False
        self._failures = 0
        self._failing_since = 0.0

    def answered(self) -> None:
        """Record that the database answers: an outage is over."""
        self._has_answered = True
        if self._failures and self._observer is not None:
            self._observer.recovered(failures=self._failures)
        self._failures = 0

    def wait(self, error: EvtrackError, stop: Event | None = None) -> None:
        """Wait before the next try.

        Args:
            error: What the last try ended with.
            stop: Ends the wait, and with it the tries.

        Raises:
            EvtrackError: The error itself: waiting cannot help, has taken too long, or was stopped.
        """
        now = time.monotonic()
        if not self._failures:
            self._failing_since = now
        is_over = now - self._failing_since >= self._limit_s
        waits = self._has_answered or (self._waits_at_start and _is_outage(error))
        if not error.is_passing or not waits or is_over:
            raise error
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._failures, _DOUBLINGS))
        self._failures += 1
        if self._observer is not None:
            self._observer.failed(error, failures=self._failures, retry_in_s=pause_s)
        if (stop or Event()).wait(pause_s):
            raise error


def _is_outage(error: EvtrackError) -> bool:
    return error.connection_lost or isinstance(error, CannotConnect | ReadOnly | TransientError)


class PatientReader:
    """Reads from a database that may be away for a while.

    Args:
        dsn: The database.
        purpose: What the connection is for.
        patience: How long it may be away.
        answer_s: How long it may stay silent in a statement before it counts as away.
    """

    def __init__(self, dsn: str, *, purpose: str, patience: Patience, answer_s: float = ANSWER_S) -> None:
        self._dsn, self._purpose, self._patience, self._answer_s = dsn, purpose, patience, answer_s
        self._conn: Connection | None = None

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query, again on a new connection after an outage.

        Args:
            query: Reads from the connection that it is given.

        Returns:
            What it returns.

        Raises:
            EvtrackError: The database refused, or stayed away.
        """
        while True:
            try:
                if self._conn is None:
                    self._conn = connect(self._dsn, purpose=self._purpose, reads=True, answer_s=self._answer_s)
                found = query(self._conn)
            except EvtrackError as error:
                self.close()
                self._patience.wait(error)
            else:
                self._patience.answered()
                return found

    def close(self) -> None:
        """Close the connection; the next query opens another one."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None
