"""A job that goes on item by item, and how soon those who watch it see that."""

import re
import time
from collections.abc import Sequence
from itertools import product

from dashboard import large_world
from support import commands, harness

from evtrack.storage.connection.connect import connect

_ITEMS = harness.sized(5_000, smoke=100)
_SHOWN = re.compile(rb"<b>([\d,]+)</b>\\ndone")
"""How a frame of a job's page says how many items are done."""


class Probe:
    """A job that goes on item by item, and how soon those who watch it see that.

    Args:
        dsn: The database.
    """

    def __init__(self, dsn: str) -> None:
        self._conn = connect(dsn, purpose="bench probe")
        row = self._conn.execute(
            "SELECT evtrack.enqueue('probe', array_agg('P:' || i), array_agg('{}'::text), batch_size => 1)"
            " FROM generate_series(1, %s) i",
            [_ITEMS],
        ).fetchone()
        assert row
        self.job = int(row[0])
        self.latencies_s: list[float] = []
        self._worker = large_world.register(self._conn, ["probe"])
        self._done = 0
        self._viewers: Sequence[int] = ()
        self._committed: dict[int, float] = {}
        self._rest: dict[int, bytes] = {}
        self._shown: dict[int, list[tuple[float, int]]] = {}

    def watched_by(self, viewers: Sequence[int]) -> None:
        """Begin to note what these viewers see."""
        self._viewers = viewers

    def take(self, viewer: int, data: bytes) -> None:
        """Note what a viewer has received; called by the thread that reads."""
        at = time.monotonic()
        text = self._rest.get(viewer, b"") + data
        self._rest[viewer] = text[-100:]
        if viewer in self._viewers and (found := _SHOWN.findall(text)):
            self._shown.setdefault(viewer, []).append((at, int(found[-1].replace(b",", b""))))

    def go_on(self) -> None:
        """Finish an item, and note when that was committed."""
        self._conn.execute("SELECT evtrack.heartbeat(%s)", [self._worker])
        claimed = self._conn.execute(
            "SELECT job_id, batch_no, attempt FROM evtrack.claim(%s, %s::bigint[], '{0}', 1, '{probe}')",
            [self._worker, [self.job]],
        ).fetchone()
        assert claimed
        self._conn.execute(
            "SELECT count(*) FROM evtrack.complete(%s, %s::bigint[], %s::int[], %s::int[], '{0.01}')",
            [self._worker, *([number] for number in claimed)],
        )
        self._done += 1
        if self._viewers:
            self._committed[self._done] = time.monotonic()

    def wait(self) -> None:
        """Wait until all viewers have seen all of it, and note how long each commit took to be seen."""
        viewers = self._viewers
        commands.wait_until(lambda: all(self._seen(viewer) >= self._done for viewer in viewers))
        for (done, committed), viewer in product(self._committed.items(), viewers):
            came = next(at for at, shown in self._shown[viewer] if shown >= done)
            self.latencies_s.append(max(0.0, came - committed))
        self._viewers = ()
        for noted in (self._committed, self._rest, self._shown):
            noted.clear()

    def _seen(self, viewer: int) -> int:
        shown = self._shown.get(viewer)
        return shown[-1][1] if shown else 0
