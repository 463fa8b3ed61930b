"""Server-sent events: the newest state of each region to whoever watches, and never a queue."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import anyio
from starlette.requests import HTTPConnection
from starlette.responses import Response

from evtrack.interfaces.web.security.identity import user_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from evtrack.runtime.live.hub import Hub
    from evtrack.runtime.live.topics import Frame, Topic

_RETRY_MS: Final = 3_000
ALIVE_S: Final = 10.0
"""After so long without news, an event says that there is none: browsers notice a dead stream by its silence."""

SEND_S: Final = 10.0
"""Who does not read for so long is let go."""

LAST_S: Final = 0.5
"""Who has not read the rest this long after the end of the stream is let go, too."""

ABORT: Final = "evtrack.abort"
"""The extension of ASGI with which our own server lets go who does not read; its buffer would never become empty."""

MAX_STREAMS: Final = 200
"""The most streams at a time."""

MAX_STREAMS_OF_USER: Final = 20
"""The most of them that one user has, where users can be told apart."""


class StreamPlaces:
    """Counts streams; used by the server's loop alone."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def take(self, user: str) -> bool:
        """Take a place.

        Args:
            user: Who streams; empty where nobody can be told from another.

        Returns:
            Whether there was one; whoever gets none polls.
        """
        is_full = self._taken.total() >= MAX_STREAMS or (user and self._taken[user] >= MAX_STREAMS_OF_USER)
        if not is_full:
            self._taken[user] += 1
        return not is_full

    def give_back(self, user: str) -> None:
        """Give a place back."""
        self._taken[user] -= 1
        if not self._taken[user]:
            del self._taken[user]


class StreamViewer:
    """Holds what one stream has not sent yet: the newest text of each region.

    Args:
        seen: The version that the browser has already, from the stream before.
    """

    def __init__(self, seen: str = "") -> None:
        self._loop = asyncio.get_running_loop()
        self._has_news = asyncio.Event()
        self._seen = seen
        self._regions: Mapping[str, str] = {}
        self._frame: Frame | None = None
        self._over = asyncio.Event()

    def offer(self, frame: Frame) -> None:
        """Take a frame from the hub's thread."""
        self._call(self._take, frame)

    def end(self) -> None:
        """End the stream, from any thread."""
        self._call(self._finish)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        with suppress(RuntimeError):  # the server's loop has ended
            self._loop.call_soon_threadsafe(function, *args)

    def _finish(self) -> None:
        self._over.set()
        self._has_news.set()

    def _take(self, frame: Frame) -> None:
        self._regions = {**self._regions, **frame.regions} if self._regions else frame.regions
        self._frame = frame
        self._has_news.set()

    async def end_in_time(self, let_go: Callable[[], None]) -> None:
        """Wait for the end, and let go a client that has not read the rest soon after it."""
        await self._over.wait()
        await anyio.sleep(LAST_S)
        let_go()

    async def next_event(self) -> bytes | None:
        """Wait for news.

        Returns:
            An event, without regions after a time without any news; None once it is over.
        """
        with anyio.move_on_after(ALIVE_S):
            await self._has_news.wait()
        if self._over.is_set():
            return None
        frame, regions = self._frame, self._regions
        if frame is None:
            return b":\n\n"
        self._has_news.clear()
        self._regions = {}
        if frame.version and frame.version == self._seen:
            regions = {}
        self._seen = self._seen if not frame.version else ""
        return _event(frame, regions)


_written: Final[WeakKeyDictionary[Frame, bytes]] = WeakKeyDictionary()
"""The events of frames that are sent as they are, each written once for all viewers."""


def _event(frame: Frame, regions: Mapping[str, str]) -> bytes:
    if regions is not frame.regions:
        return _write(frame, regions)
    event = _written.get(frame)
    if event is None:
        event = _written[frame] = _write(frame, regions)
    return event


def _write(frame: Frame, regions: Mapping[str, str]) -> bytes:
    # One line of JSON: a line break in a key would otherwise end the event, and could forge another one.
    data = json.dumps({"regions": regions, "period_s": frame.period_s, "outage": frame.outage})
    # Without an id, the browser keeps the one before.
    return (f"id: {frame.version}\n" if frame.version else "").encode() + f"data: {data}\n\n".encode()


class EventStream(Response):
    """A response that lasts as long as somebody reads it.

    Args:
        hub: Where to watch.
        topic: What.
        places: Limits the streams.
        seen: The version that the browser has already.
    """

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, topic: Topic, places: StreamPlaces, *, seen: str) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._hub, self._topic, self._places, self._seen = hub, topic, places, seen
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the browser goes, or does not read."""
        viewer, user = StreamViewer(self._seen), user_of(HTTPConnection(scope)).name
        if not self._places.take(user):
            await _refuse(scope, receive, send)
            return
        try:
            # The hub's lock is held for moments only.
            is_watching = self._hub.watch(self._topic, viewer)
            if is_watching:
                await self._stream(viewer, scope, receive, send)
        finally:
            self._places.give_back(user)
            self._hub.leave(self._topic, viewer)
        if not is_watching:
            await _refuse(scope, receive, send)

    async def _stream(self, viewer: StreamViewer, scope: Scope, receive: Receive, send: Send) -> None:
        abort = scope.get("extensions", {}).get(ABORT, _nothing)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_with_client, receive, tasks.cancel_scope)
            tasks.start_soon(viewer.end_in_time, abort)
            # Some servers raise that where the client has gone.
            with suppress(OSError):
                reads = await self._send_events(viewer, send)
                if not reads:
                    abort()
            tasks.cancel_scope.cancel()

    async def _send_events(self, viewer: StreamViewer, send: Send) -> bool:
        """Send until it is over, and return whether the client has read all the time."""
        event: bytes | None = f"retry: {_RETRY_MS}\n\n".encode()
        with anyio.move_on_after(SEND_S) as in_time:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while event is not None:
                await send({"type": "http.response.body", "body": event, "more_body": True})
                in_time.deadline = inf
                event = await viewer.next_event()
                in_time.deadline = anyio.current_time() + SEND_S
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        return not in_time.cancelled_caught


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(status_code=503, headers={"retry-after": "5"})(scope, receive, send)


async def _end_with_client(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _nothing() -> None:
    """Stand for what another server does not offer."""
