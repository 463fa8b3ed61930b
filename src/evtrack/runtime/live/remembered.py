"""Remembers what is dear to read: a value for each database and subject, for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from evtrack.storage.connection.connect import Connection

T = TypeVar("T")

CHEAP_S: Final = 0.02
"""What is read faster may be read each time."""

_MOST: Final = 128
"""The most values that are remembered; the oldest one goes first."""


@dataclass(slots=True)
class _Value(Generic[T]):
    """A value, if it was read, until when it is kept, and the lock of whoever reads it."""

    lock: Lock = field(default_factory=Lock)
    known: tuple[float, T] | None = None


class Remembered(Generic[T]):
    """Reads a value at most once in a while, whoever asks, and however often; safe to use from threads.

    Args:
        read: Reads it, from a connection and what it is the value of; must not depend on who asks.
        keep_s: For how long it is remembered.
        times: For what is dear in large databases only: it is remembered for so many times as long as its read took
            beyond `CHEAP_S`, and for `keep_s` at most.
        clock: Returns a time in seconds that only grows.
    """

    def __init__(
        self,
        read: Callable[..., T],
        *,
        keep_s: float,
        times: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read, self._keep_s, self._times, self._clock = read, keep_s, times, clock
        self._lock = Lock()
        self._values: dict[Hashable, _Value[T]] = {}

    def __call__(self, conn: Connection, *subject: Hashable, **known: Any) -> T:
        """Return the value for the database of a connection.

        Args:
            conn: Reads it.
            *subject: What it is the value of, where a database has many of them.
            **known: What only spares the read a statement.
        """
        # Until when it is kept, and the value. Who comes while it is read gets the older value; only the first read of
        # all has others wait.
        entry = self._entry((conn.info.host, conn.info.port, conn.info.dbname, *subject))
        last = entry.known
        if not entry.lock.acquire(blocking=last is None):
            assert last is not None, "without a value, the lock is waited for"  # noqa: S101
            return last[1]
        try:
            last = entry.known
            if last is None or self._clock() >= last[0]:
                begun = self._clock()
                found = self._read(conn, *subject, **known)
                last = entry.known = (begun + self._kept_s(self._clock() - begun), found)
            return last[1]
        finally:
            entry.lock.release()

    def forget(self) -> None:
        """Read again whatever is asked for next."""
        with self._lock:
            self._values.clear()

    def _entry(self, where: Hashable) -> _Value[T]:
        with self._lock:
            entry = self._values.get(where)
            if entry is None:
                entry = self._values[where] = _Value()
                if len(self._values) > _MOST:
                    del self._values[next(iter(self._values))]
        return entry

    def _kept_s(self, took_s: float) -> float:
        return self._keep_s if self._times is None else min(self._keep_s, self._times * (took_s - CHEAP_S))
