"""A few connections for many readers: opened when they are needed, used by one reader at a time."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from threading import BoundedSemaphore
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from evtrack.domain.database_errors import NoFreeConnection
from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.snapshot import ReadCost, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ANSWER_S: Final = 10.0
"""How long the server may stay silent before a connection counts as lost: more than any statement may take."""

_WAIT_S: Final = 2.0
"""How long a reader waits for a connection."""

_IDLE_S: Final = 60.0
"""After this time without use, a connection is closed by the next reader."""


class _Idle(NamedTuple):
    conn: Connection
    since: float


class ReaderPool:
    """Reads snapshots over at most so many connections, whatever the number of readers; safe to use from threads.

    Args:
        dsn: The database.
        purpose: What the connections are for, shown as application_name.
        size: The most connections.
    """

    def __init__(self, dsn: str, *, purpose: str, size: int = 3) -> None:
        self._dsn, self._purpose = dsn, purpose
        self._places = BoundedSemaphore(size)
        # Last in, first out: with few readers, the other connections become idle and are closed.
        self._idle: deque[_Idle] = deque()
        self._is_closed = False

    def read(self, query: Callable[[Connection], T]) -> tuple[T, ReadCost]:
        """Run a query in one snapshot; again on a new connection if an idle one turns out to be lost.

        Args:
            query: Reads from the connection that it is given, and keeps nothing of it.

        Returns:
            What it returns, and what that cost.

        Raises:
            NoFreeConnection: All connections were in use for two seconds.
            EvtrackError: The database is away, or refused.
        """
        if not self._places.acquire(timeout=_WAIT_S):
            raise NoFreeConnection(
                f"All connections have been in use for {_WAIT_S:g} s.", hint="Try again in a moment."
            )
        try:
            while (idle := self._take_idle()) is not None:
                try:
                    return self._read_with(idle, query)
                except EvtrackError as error:
                    if not error.connection_lost:
                        raise
            return self._read_with(connect(self._dsn, purpose=self._purpose, reads=True, answer_s=ANSWER_S), query)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close the idle connections; one that is in use closes after its query."""
        self._is_closed = True
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().conn.close()

    def _take_idle(self) -> Connection | None:
        with suppress(IndexError):
            while monotonic() - self._idle[0].since > _IDLE_S:
                self._idle.popleft().conn.close()
        try:
            return self._idle.pop().conn
        except IndexError:
            return None

    def _read_with(self, conn: Connection, query: Callable[[Connection], T]) -> tuple[T, ReadCost]:
        try:
            with snapshot(conn) as cost:
                found = query(conn)
        except EvtrackError as error:
            self._put_back(conn, is_usable=not error.connection_lost)
            raise
        except BaseException:
            conn.close()
            raise
        self._put_back(conn)
        return found, cost

    def _put_back(self, conn: Connection, *, is_usable: bool = True) -> None:
        if self._is_closed or not is_usable or conn.closed:
            conn.close()
        else:
            self._idle.append(_Idle(conn, monotonic()))
