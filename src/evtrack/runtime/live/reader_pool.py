"""A few connections for many readers: opened when they are needed, used by one reader at a time."""

from __future__ import annotations

from collections import deque
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from evtrack.domain.database_errors import NoFreeConnection
from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.own_connection import hang_up
from evtrack.storage.connection.snapshot import ReadCost, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ANSWER_S: Final = 10.0
"""How long the server may stay silent before a connection counts as lost: more than any statement may take."""

WAIT_S: Final = 2.0
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
        self._lock = Lock()
        # Last in, first out: with few readers, the other connections become idle and are closed.
        self._idle: deque[_Idle] = deque()
        self._busy: set[Connection] = set()
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
        if not self._places.acquire(timeout=WAIT_S):
            raise no_free_connection()
        try:
            while (idle := self._take_idle()) is not None:
                try:
                    return self._read_with(idle, query)
                except EvtrackError as error:
                    if not error.connection_lost or self._is_closed:
                        raise
            return self._read_with(self._opened(), query)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close all connections; whoever reads finds its own lost, even if the server hangs."""
        with self._lock:
            self._is_closed = True
            for conn in self._busy:
                hang_up(conn)
            idle, self._idle = self._idle, deque()
        for each in idle:
            each.conn.close()

    def _take_idle(self) -> Connection | None:
        with self._lock:
            old = []
            while self._idle and monotonic() - self._idle[0].since > _IDLE_S:
                old.append(self._idle.popleft().conn)
            taken = self._idle.pop().conn if self._idle else None
            if taken is not None:
                self._busy.add(taken)
        for conn in old:
            conn.close()
        return taken

    def _opened(self) -> Connection:
        conn = connect(self._dsn, purpose=self._purpose, reads=True, answer_s=ANSWER_S)
        with self._lock:
            self._busy.add(conn)
        return conn

    def _read_with(self, conn: Connection, query: Callable[[Connection], T]) -> tuple[T, ReadCost]:
        is_usable = False
        try:
            with snapshot(conn) as cost:
                found = query(conn)
            is_usable = True
        except EvtrackError as error:
            is_usable = not error.connection_lost
            raise
        finally:
            self._put_back(conn, is_usable=is_usable)
        return found, cost

    def _put_back(self, conn: Connection, *, is_usable: bool) -> None:
        with self._lock:
            self._busy.discard(conn)
            is_kept = is_usable and not self._is_closed and not conn.closed
            if is_kept:
                self._idle.append(_Idle(conn, monotonic()))
        if not is_kept:
            conn.close()


def no_free_connection() -> NoFreeConnection:
    """Return the error of a reader that waited in vain."""
    return NoFreeConnection(f"All connections have been in use for {WAIT_S:g} s.", hint="Try again in a moment.")
