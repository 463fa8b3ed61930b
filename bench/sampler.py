"""Looks all the time who waits for a lock on a table, and what the server does for a cleanup."""

import threading
from typing import Self

from evtrack.storage.connection.connect import connect

_SAMPLE_S = 0.01
_WAITS = """SELECT a.application_name, extract(epoch FROM clock_timestamp() - min(l.waitstart))::float8
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND l.locktype = 'relation' GROUP BY a.pid, 1"""
# What the server does for the cleanup now; while it waits for the client's next read or word, that is nothing.
_DOING = """SELECT CASE WHEN query LIKE '%evtrack.drop_day(%' THEN 'drop' WHEN query LIKE '%COPY (%' THEN 'read'
    ELSE 'other' END
FROM pg_stat_activity WHERE application_name = 'evtrack cleanup' AND state = 'active'
    AND wait_event_type IS DISTINCT FROM 'Client'"""


class Sampler:
    """Samples in a thread while the block runs."""

    def __init__(self, dsn: str) -> None:
        self.longest_s: dict[str, float] = {}
        self.samples = 0
        self.seen: dict[str, int] = {}
        self.doing: str | None = None
        self._dsn, self._stop = dsn, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with connect(self._dsn, purpose="bench sampler") as conn:
            while not self._stop.wait(_SAMPLE_S):
                for name, waited in conn.execute(_WAITS):
                    self.longest_s[name] = max(self.longest_s.get(name, 0.0), waited or 0.0)
                row = conn.execute(_DOING).fetchone()
                self.doing = row[0] if row else None
                if self.doing:
                    self.seen[self.doing] = self.seen.get(self.doing, 0) + 1
                self.samples += 1
