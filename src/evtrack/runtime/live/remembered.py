"""Remembers what is dear to read: a value for each database, for a while."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.storage.connection.connect import Connection

T = TypeVar("T")

CHEAP_S: Final = 0.02
"""What is read faster may be read each time."""


class Remembered(Generic[T]):
    """Reads a value at most once in a while, whoever asks, and however often; safe to use from threads.

    Args:
        read: Reads it; must not depend on who asks.
        keep_s: For how long it is remembered.
        times: For what is dear in large databases only: it is remembered for so many times as long as its read took
            beyond `CHEAP_S`, and for `keep_s` at most.
        clock: Returns a time in seconds that only grows.
    """

    def __init__(
        self,
        read: Callable[[Connection], T],
        *,
        keep_s: float,
        times: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read, self._keep_s, self._times, self._clock = read, keep_s, times, clock
        self._lock = Lock()
        self._values: dict[tuple[str, int, str], tuple[float, T]] = {}

    def __call__(self, conn: Connection) -> T:
        """Return the value for the database of a connection."""
        where = (conn.info.host, conn.info.port, conn.info.dbname)
        # Until when it is kept, and the value. Who comes while it is read gets the older value; only the first read of
        # all has others wait.
        known = self._values.get(where)
        if not self._lock.acquire(blocking=known is None):
            assert known is not None, "without a value, the lock is waited for"  # noqa: S101
            return known[1]
        try:
            known = self._values.get(where)
            if known is None or self._clock() >= known[0]:
                begun = self._clock()
                found = self._read(conn)
                took_s = self._clock() - begun
                kept_s = self._keep_s if self._times is None else min(self._keep_s, self._times * (took_s - CHEAP_S))
                known = (begun + kept_s, found)
                self._values[where] = known
            return known[1]
        finally:
            self._lock.release()
