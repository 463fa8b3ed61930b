"""What the sessions of a server on this machine are doing: the memory they take, and what they wait for."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from support import database

if TYPE_CHECKING:
    from support.database import Connection

_SAMPLE_S: Final = 0.25
_WAITS: Final = """SELECT CASE WHEN wait_event IS NULL THEN 'running' ELSE wait_event_type || ' ' || wait_event END,
    count(*)
FROM pg_stat_activity
WHERE state = 'active' AND pid <> pg_backend_pid() AND backend_type = 'client backend' GROUP BY 1"""


def session_bytes(conn: Connection) -> dict[str, float]:
    """Return the memory that a session's process has for itself, by purpose, on average over all such sessions."""
    found: dict[str, list[int]] = {}
    query = "SELECT application_name, pid FROM pg_stat_activity WHERE application_name LIKE 'evtrack worker%'"
    for name, pid in conn.execute(query).fetchall():
        try:
            facts = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        except (FileNotFoundError, ProcessLookupError):
            continue  # a session that has just ended
        sizes = {fact.split(":")[0]: int(fact.split()[1]) for fact in facts}
        found.setdefault(name, []).append(1024 * sizes["Private_Dirty"])
    return {name: sum(sizes) / len(sizes) for name, sizes in found.items()}


class WaitSampler:
    """Samples in a thread, while the `with` block runs, what active sessions wait for.

    Args:
        dsn: The database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn, self._stop = dsn, threading.Event()
        self._seen: Counter[str] = Counter()
        self._samples = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    @property
    def sessions(self) -> dict[str, float]:
        """How many sessions waited for what, or ran, on average; the most first."""
        return {name: count / max(1, self._samples) for name, count in self._seen.most_common()}

    def _run(self) -> None:
        with database.connect(self._dsn) as conn:
            while not self._stop.wait(_SAMPLE_S):
                self._seen.update(dict(conn.execute(_WAITS).fetchall()))
                self._samples += 1
