"""Server-sent events: the newest state of each region to whoever watches, and never a queue."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
from starlette.requests import HTTPConnection
from starlette.responses import Response

from evtrack.interfaces.web.security.identity import user_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from evtrack.runtime.live.hub import Hub
    from evtrack.runtime.live.topics import Frame, Topic

_RETRY_MS: Final = 3_000
_COMMENT_S: Final = 15.0
"""A comment line after so long without a frame keeps proxies from closing the stream."""

_SEND_S: Final = 10.0
"""Who does not read for so long is let go."""


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
        self._regions: dict[str, str] = {}
        self._frame: Frame | None = None
        self._is_over = False

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
        self._is_over = True
        self._has_news.set()

    def _take(self, frame: Frame) -> None:
        self._regions.update(frame.regions)
        self._frame = frame
        self._has_news.set()

    async def next_event(self) -> bytes | None:
        """Wait for news.

        Returns:
            An event, or a comment after a time without any; None once it is over.
        """
        with anyio.move_on_after(_COMMENT_S):
            await self._has_news.wait()
        if self._is_over:
            return None
        frame, regions = self._frame, self._regions
        if frame is None or not self._has_news.is_set():
            return b":\n\n"
        self._has_news.clear()
        self._regions = {}
        if frame.version == self._seen and not frame.outage:
            regions = {}
        self._seen = ""
        # One line of JSON: a line break in a key would otherwise end the event, and could forge another one.
        data = json.dumps({"regions": regions, "period_s": frame.period_s, "outage": frame.outage})
        return f"id: {frame.version}\ndata: {data}\n\n".encode()


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
        full = Response(status_code=503, headers={"retry-after": "5"})
        if not self._places.take(user):
            await full(scope, receive, send)
            return
        try:
            if not await anyio.to_thread.run_sync(self._hub.watch, self._topic, viewer):
                await full(scope, receive, send)
                return
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_events, viewer, send, tasks.cancel_scope)
                await self._gone(receive)
                tasks.cancel_scope.cancel()
        finally:
            self._places.give_back(user)
            self._hub.leave(self._topic, viewer)

    async def _send_events(self, viewer: StreamViewer, send: Send, scope: anyio.CancelScope) -> None:
        with anyio.move_on_after(_SEND_S) as in_time:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": f"retry: {_RETRY_MS}\n\n".encode(), "more_body": True})
        while not in_time.cancelled_caught:
            event = await viewer.next_event()
            if event is None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                break
            with anyio.move_on_after(_SEND_S) as in_time:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        scope.cancel()

    async def _gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
