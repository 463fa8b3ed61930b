"""Samples which sessions wait for a lock on a table, and what the server does for a cleanup."""

import threading
from typing import Self

from evtrack.storage.connection.connect import connect

_SAMPLE_S = 0.01
_WAITS = """SELECT a.application_name, extract(epoch FROM clock_timestamp() - min(l.waitstart))::float8
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND l.locktype = 'relation' GROUP BY a.pid, 1"""
# While the server waits for the cleanup's next command or read, it does nothing for it.
_ACTIVITY = """SELECT CASE WHEN query LIKE '%evtrack.drop_day(%' THEN 'drop' WHEN query LIKE '%COPY (%' THEN 'read'
    ELSE 'other' END
FROM pg_stat_activity WHERE application_name = 'evtrack cleanup' AND state = 'active'
    AND wait_event_type IS DISTINCT FROM 'Client'"""


class LockSampler:
    """Sample in a thread while the `with` block runs.

    Args:
        dsn: The database.

    Attributes:
        longest_wait_s: The longest wait for a table's lock, by application name.
        samples: The number of samples.
        activity: What the server does for a cleanup now, or None: "drop", "read" or "other".
        active_samples: How many samples saw each activity.
    """

    def __init__(self, dsn: str) -> None:
        self.longest_wait_s: dict[str, float] = {}
        self.samples = 0
        self.activity: str | None = None
        self.active_samples: dict[str, int] = {}
        self._dsn, self._stop = dsn, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with connect(self._dsn, purpose="bench sampler") as conn:
            while not self._stop.wait(_SAMPLE_S):
                for name, waited in conn.execute(_WAITS):
                    self.longest_wait_s[name] = max(self.longest_wait_s.get(name, 0.0), waited or 0.0)
                row = conn.execute(_ACTIVITY).fetchone()
                self.activity = row[0] if row else None
                if self.activity:
                    self.active_samples[self.activity] = self.active_samples.get(self.activity, 0) + 1
                self.samples += 1
