"""Reads what is watched once, whatever the number of viewers, and offers what has changed to all of them."""

from __future__ import annotations

from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.backoff import backoff_s
from evtrack.runtime.live.hub_session import HubSession
from evtrack.runtime.live.watched import REST, Watched
from evtrack.runtime.waker import Waker
from evtrack.storage.connection.own_connection import hang_up
from evtrack.storage.connection.snapshot import ReadCost, snapshot

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from evtrack.runtime.live.topics import Topic, Viewer
    from evtrack.storage.connection.connect import Connection

MAX_TOPICS: Final = 64
"""The most topics at a time; what is asked for beyond them is polled."""

PERIOD_S: Final = 1.0
"""The time between two rounds, while a round is cheap."""

LONGEST_PERIOD_S: Final = 10.0

LINGER_S: Final = 30.0
"""The hub ends when nobody has watched for this long."""

_DEAR_S: Final = 0.1
"""What a read takes beyond this lets its own topic be read less often, and no other."""

_HINT_GAP_S: Final = 0.05
"""The least time between two reads of a topic that notifications cause."""

_HINT_REST: Final = 4
"""However many notifications come, the hub rests for this many times as long as it reads."""

_END_S: Final = 1.0
"""How long the end of the thread is waited for: more than it needs to render a page."""

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_UNEXPECTED: Final = "an unexpected error, which the log has"

_log = structlog.get_logger()


class Latest(NamedTuple):
    """What the hub has read of a topic lately, and rendered."""

    model: Any
    cost: ReadCost
    regions: Mapping[str, str]
    version: str


class Hub:
    """A thread with one connection, which lives while somebody watches.

    Its lock is held for moments only, never while it reads, renders or waits: an event loop may call it.

    Args:
        dsn: The database.
        purpose: What the connection is for, shown as application_name.
    """

    def __init__(self, dsn: str, *, purpose: str) -> None:
        self._dsn, self._purpose = dsn, purpose
        self._lock = Lock()
        self._watched: dict[Hashable, Watched] = {}
        self._waker: Waker | None = None
        self._thread: Thread | None = None
        self._session: HubSession | None = None
        self._closed = Event()
        self._watched_at = self._rested_at = 0.0
        self._period_s = PERIOD_S
        self._outage = ""

    def watch(self, topic: Topic, viewer: Viewer) -> bool:
        """Let a viewer watch a topic.

        Args:
            topic: What to watch.
            viewer: Gets a frame with all regions as soon as there is one, then the changes.

        Returns:
            Whether it may, else it polls: there are so many topics at a time, and none once the hub is closed.
        """
        with self._lock:
            watched = self._watched.get(topic.key)
            if self._closed.is_set() or (watched is None and len(self._watched) >= MAX_TOPICS):
                return False
            if not self._wake_or_start():
                return False
            self._watched_at = monotonic()
            if watched is None:
                watched = self._watched[topic.key] = Watched(topic, period_s=PERIOD_S, outage=self._outage)
            watched.viewers.add(viewer)
            if watched.version or watched.outage:
                viewer.offer(watched.state())
        return True

    def leave(self, topic: Topic, viewer: Viewer) -> None:
        """Let a viewer leave; the last one of a topic ends it."""
        with self._lock:
            watched = self._watched.get(topic.key)
            if watched is not None:
                watched.viewers.discard(viewer)
                if not watched.viewers:
                    del self._watched[topic.key]

    def latest(self, topic: Topic) -> Latest | None:
        """Return what was read of a topic lately, so that its page costs no statement; None if nobody watches it."""
        with self._lock:
            each = self._watched.get(topic.key)
            if each is None or not each.version or each.outage:
                return None
            if monotonic() - each.read_at > 2 * each.interval_s(self._period_s):
                return None
            return Latest(each.model, each.cost, dict(each.regions), each.version)

    def close(self) -> None:
        """End all viewers and the thread, even if its server hangs; nobody can watch any more."""
        with self._lock:
            self._closed.set()
            viewers = [viewer for each in self._watched.values() for viewer in each.viewers]
            self._watched.clear()
            thread = self._thread
            if self._waker is not None:
                self._waker.set()
            if self._session is not None:
                hang_up(self._session.conn)
        for viewer in viewers:
            viewer.end()
        if thread is not None:
            thread.join(_END_S)

    def _wake_or_start(self) -> bool:
        if self._waker is not None:
            self._waker.set()
            return True
        waker = Waker()
        thread = Thread(target=self._run, args=(waker,), name="evtrack-live", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # There are no more threads to be had at present.
            waker.close()
            return False
        self._waker, self._thread = waker, thread
        return True

    def _run(self, waker: Waker) -> None:
        failures = 0
        while not self._ends(waker):
            # What is watched, and whether to end, is looked at after this: nothing set meanwhile is lost.
            waker.clear()
            try:
                session = self._connected(waker)
                self._round(session.conn)
                failures = self._recovered(failures)
                if session.wait(self._until_due_s()):
                    self._hasten()
            except EvtrackError as error:
                failures += 1
                self._wait_out(error.message, failures, waker)
            except Exception as error:  # noqa: BLE001  without its thread the hub would stay silent for good
                failures += 1
                _log.error(log_names.WEB_ERROR, exc_info=error)
                self._wait_out(_UNEXPECTED, failures, waker)

    def _ends(self, waker: Waker) -> bool:
        with self._lock:
            now = monotonic()
            if self._watched:
                self._watched_at = now
            is_over = self._closed.is_set() or (not self._watched and now - self._watched_at >= LINGER_S)
            if is_over:
                # The next viewer starts another thread.
                self._waker = self._thread = None
                waker.close()
        if is_over:
            self._disconnect()
        return is_over

    def _connected(self, waker: Waker) -> HubSession:
        if self._session is None:
            session = HubSession(self._dsn, self._purpose, waker)
            with self._lock:
                self._session = session
        return self._session

    def _disconnect(self) -> None:
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _round(self, conn: Connection) -> None:
        """Read all topics that are due, a snapshot each, and offer what has changed."""
        begun = monotonic()
        with self._lock:
            due = [each for each in self._watched.values() if each.due_at <= begun]
            due.sort(key=lambda each: each.due_at)
        for each in due:
            if each.viewers and not self._closed.is_set():
                self._read(conn, each)
        if due:
            now = monotonic()
            with self._lock:
                self._period_s = self._affordable_period_s()
                self._rested_at = now + min(PERIOD_S, _HINT_REST * (now - begun))
                for each in due:
                    each.due_at = begun + max(each.interval_s(self._period_s), each.rested_at - begun)

    def _read(self, conn: Connection, each: Watched) -> None:
        begun, model, cost, regions, outage = monotonic(), None, ReadCost(), {}, ""
        try:
            with snapshot(conn) as cost:
                model = each.topic.read(conn)
            regions = dict(each.topic.render(model))
        except EvtrackError as error:
            if error.connection_lost or conn.closed:
                raise
            outage = error.message
        except Exception as error:  # noqa: BLE001  a defect of one page must not end the others
            _log.error(log_names.WEB_ERROR, topic=str(each.topic.key), exc_info=error)
            outage = _UNEXPECTED
        now = monotonic()
        with self._lock:
            each.was_read(now, now - begun, failed=bool(outage))
            if not outage:
                each.model, each.cost, each.read_at = model, cost, now
        self._offer(each, regions, outage)

    def _offer(self, each: Watched, regions: Mapping[str, str], outage: str) -> None:
        with self._lock:
            frame = each.take(regions, period_s=each.interval_s(self._period_s), outage=outage)
            viewers = tuple(each.viewers)
        if frame is not None:
            for viewer in viewers:
                viewer.offer(frame)

    def _affordable_period_s(self) -> float:
        """Choose the time between two rounds so that reading takes a tenth of it."""
        round_s = sum(min(each.took_s, _DEAR_S) for each in self._watched.values())
        return float(min(LONGEST_PERIOD_S, max(PERIOD_S, round(REST * round_s))))

    def _hasten(self) -> None:
        """Read again at once what has rested enough."""
        with self._lock:
            for each in self._watched.values():
                each.due_at = min(each.due_at, max(each.read_at + _HINT_GAP_S, each.rested_at, self._rested_at))

    def _until_due_s(self) -> float:
        with self._lock:
            due_at = min((each.due_at for each in self._watched.values()), default=monotonic() + PERIOD_S)
        return max(0.0, due_at - monotonic())

    def _recovered(self, failures: int) -> int:
        if failures:
            _log.info(log_names.DATABASE_RECONNECTED, connection=self._purpose, failures=failures)
        self._outage = ""
        return 0

    def _wait_out(self, message: str, failures: int, waker: Waker) -> None:
        self._disconnect()
        if self._closed.is_set():
            return
        pause_s = backoff_s(failures, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
        if message != self._outage:
            _log.warning(
                log_names.DATABASE_ERROR,
                connection=self._purpose,
                error=message,
                failures=failures,
                retry_in_s=round(pause_s, 3),
            )
        with self._lock:
            self._outage = message
            watched = list(self._watched.values())
        for each in watched:
            each.due_at = 0.0
            self._offer(each, {}, message)
        # Viewers who arrive meanwhile do not hasten it: a server that is in trouble needs no more attempts.
        until = monotonic() + pause_s
        while not self._closed.is_set() and (left_s := until - monotonic()) > 0:
            waker.wait(left_s)
            waker.clear()
