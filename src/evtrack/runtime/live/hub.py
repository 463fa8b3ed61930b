"""Reads what is watched once, whatever the number of viewers, and offers what has changed to all of them."""

from __future__ import annotations

import select
from dataclasses import dataclass, field
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.backoff import backoff_s
from evtrack.runtime.live.hub_session import HubSession
from evtrack.runtime.live.reader_pool import ANSWER_S
from evtrack.runtime.live.topics import Frame, Topic, Viewer, regions_version
from evtrack.runtime.waker import Waker
from evtrack.storage.connection.snapshot import ReadCost, snapshot

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from evtrack.storage.connection.connect import Connection

MAX_TOPICS: Final = 64
"""The most topics at a time; what is asked for beyond them is polled."""

PERIOD_S: Final = 1.0
"""The time between two rounds, while a round is cheap."""

LONGEST_PERIOD_S: Final = 10.0

_LINGER_S: Final = 30.0
"""The hub ends when nobody has watched for this long."""

_DEAR_S: Final = 0.1
"""A round that takes longer in the database doubles the period."""

_CHEAP_S: Final = 0.025
"""A round that takes less halves it again."""

_HINT_GAP_S: Final = 0.05
"""The least time between two rounds that notifications cause."""

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0

_log = structlog.get_logger()


@dataclass(slots=True)
class _Watched:
    topic: Topic
    viewers: set[Viewer] = field(default_factory=set)
    regions: dict[str, str] = field(default_factory=dict)
    version: str = ""
    model: Any = None
    cost: ReadCost = field(default_factory=ReadCost)
    read_at: float = 0.0
    due_at: float = 0.0
    outage: str = ""


class Hub:
    """A thread with one connection, which lives while somebody watches.

    Args:
        dsn: The database.
        purpose: What the connection is for, shown as application_name.
    """

    def __init__(self, dsn: str, *, purpose: str) -> None:
        self._dsn, self._purpose = dsn, purpose
        self._lock = Lock()
        self._watched: dict[Hashable, _Watched] = {}
        self._waker: Waker | None = None
        self._thread: Thread | None = None
        self._is_closed = False
        self._period_s = PERIOD_S
        self._outage = ""

    def watch(self, topic: Topic, viewer: Viewer) -> bool:
        """Let a viewer watch a topic.

        Args:
            topic: What to watch.
            viewer: Gets a frame with all regions as soon as there is one, then the changes.

        Returns:
            Whether it may: there are at most so many topics at a time, and none once the hub is closed.
        """
        with self._lock:
            watched = self._watched.get(topic.key)
            if self._is_closed or (watched is None and len(self._watched) >= MAX_TOPICS):
                return False
            if watched is None:
                watched = self._watched[topic.key] = _Watched(topic)
            watched.viewers.add(viewer)
            if watched.version:
                viewer.offer(Frame(dict(watched.regions), watched.version, self._period_s, watched.outage))
            elif self._outage:
                viewer.offer(Frame({}, "", self._period_s, self._outage))
            self._wake_or_start()
        return True

    def leave(self, topic: Topic, viewer: Viewer) -> None:
        """Let a viewer leave; the last one of a topic ends it."""
        with self._lock:
            watched = self._watched.get(topic.key)
            if watched is not None:
                watched.viewers.discard(viewer)
                if not watched.viewers:
                    del self._watched[topic.key]

    def latest(self, topic: Topic) -> tuple[Any, ReadCost] | None:
        """Return what the hub has read of a topic lately, so that a page of it costs no statement.

        Returns:
            The model and what it had cost; None if nobody watches, or nothing is recent.
        """
        with self._lock:
            watched = self._watched.get(topic.key)
            if watched is None or not watched.version or self._outage:
                return None
            if monotonic() - watched.read_at > 2 * max(self._period_s, topic.every_s):
                return None
            return watched.model, watched.cost

    def close(self) -> None:
        """Stop the thread, and take no more viewers."""
        with self._lock:
            self._is_closed = True
            for watched in self._watched.values():
                for viewer in watched.viewers:
                    viewer.end()
            self._watched.clear()
            thread = self._thread
            if self._waker is not None:
                self._waker.set()
        if thread is not None:
            thread.join(ANSWER_S)

    def _wake_or_start(self) -> None:
        if self._waker is None:
            self._waker = Waker()
            self._thread = Thread(target=self._run, args=(self._waker,), name="evtrack-live", daemon=True)
            self._thread.start()
        else:
            self._waker.set()

    def _run(self, waker: Waker) -> None:
        session: HubSession | None = None
        failures, watched_at = 0, monotonic()
        try:
            while not self._ends(idle_s=monotonic() - watched_at):
                watched_at = monotonic() if self._watched else watched_at
                try:
                    session = session or HubSession(self._dsn, self._purpose, waker.socket)
                    self._round(session.conn)
                    failures = self._recovered(failures)
                    if session.wait(self._until_due_s()):
                        self._hasten()
                except EvtrackError as error:
                    if session is not None:
                        session.close()
                    session = None
                    failures += 1
                    self._wait_out(error, failures, waker)
                waker.clear()
        finally:
            if session is not None:
                session.close()

    def _ends(self, *, idle_s: float) -> bool:
        with self._lock:
            is_over = self._is_closed or (not self._watched and idle_s >= _LINGER_S)
            if is_over and self._waker is not None:
                # The next viewer starts another thread.
                self._waker.close()
                self._waker = self._thread = None
        return is_over

    def _round(self, conn: Connection) -> None:
        """Read all topics that are due, a snapshot each, and offer what has changed."""
        with self._lock:
            due = [each for each in self._watched.values() if each.due_at <= monotonic()]
        taken_s = 0.0
        for each in due:
            try:
                with snapshot(conn) as cost:
                    each.model = each.topic.read(conn)
                taken_s += cost.seconds
                each.cost, each.read_at = cost, monotonic()
                self._offer(each, each.topic.render(each.model), "")
            except EvtrackError as error:
                if error.connection_lost:
                    raise
                self._offer(each, {}, error.message)
            except Exception as error:  # noqa: BLE001  a defect of one page must not end the others
                _log.error(log_names.WEB_ERROR, topic=str(each.topic.key), exc_info=error)
                self._offer(each, {}, "an unexpected error, which the log has")
        if due:
            self._adapt(taken_s)
        with self._lock:
            now = monotonic()
            for each in due:
                each.due_at = now + max(self._period_s, each.topic.every_s)

    def _offer(self, watched: _Watched, regions: Mapping[str, str], outage: str) -> None:
        with self._lock:
            changed = {name: text for name, text in regions.items() if watched.regions.get(name) != text}
            if not changed and outage == watched.outage:
                return
            watched.regions.update(changed)
            watched.outage = outage
            watched.version = regions_version(watched.regions)
            frame = Frame(changed, watched.version, self._period_s, outage)
            for viewer in watched.viewers:
                viewer.offer(frame)

    def _adapt(self, taken_s: float) -> None:
        """Read less often while that is dear."""
        if taken_s > _DEAR_S:
            self._period_s = min(LONGEST_PERIOD_S, 2 * self._period_s)
        elif taken_s < _CHEAP_S:
            self._period_s = max(PERIOD_S, self._period_s / 2)

    def _hasten(self) -> None:
        with self._lock:
            for each in self._watched.values():
                each.due_at = min(each.due_at, each.read_at + _HINT_GAP_S)

    def _until_due_s(self) -> float:
        with self._lock:
            due_at = min((each.due_at for each in self._watched.values()), default=monotonic() + PERIOD_S)
        return max(0.0, due_at - monotonic())

    def _recovered(self, failures: int) -> int:
        if failures:
            _log.info(log_names.DATABASE_RECONNECTED, connection=self._purpose, failures=failures)
        self._outage = ""
        return 0

    def _wait_out(self, error: EvtrackError, failures: int, waker: Waker) -> None:
        pause_s = backoff_s(failures, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
        _log.warning(
            log_names.DATABASE_ERROR,
            connection=self._purpose,
            error=error.message,
            failures=failures,
            retry_in_s=round(pause_s, 3),
        )
        with self._lock:
            self._outage = error.message
            watched = list(self._watched.values())
        for each in watched:
            self._offer(each, {}, error.message)
        select.select([waker.socket], [], [], pause_s)
