"""Answers with what is watched: as a stream of events, or once, for those who poll."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from evtrack.interfaces.web.address import NoSuchPage
from evtrack.interfaces.web.live.polls import Polls
from evtrack.interfaces.web.live.stream import EventStream, StreamPlaces

if TYPE_CHECKING:
    from starlette.requests import Request

    from evtrack.interfaces.web.page_finder import PageFinder
    from evtrack.interfaces.web.page_threads import PageThreads
    from evtrack.interfaces.web.site import PageTopic, Site


class LiveEndpoint:
    """Answers with what is watched: as a stream of events, or once, for those who poll.

    Args:
        site: Where to watch.
        pages: Finds the page of an address below the prefix.
        threads: Where pages are made.
    """

    def __init__(self, site: Site, pages: PageFinder, threads: PageThreads) -> None:
        self._site, self._pages, self._threads = site, pages, threads
        self._places, self._polls = StreamPlaces(), Polls(site)

    async def __call__(self, request: Request) -> Response:
        """Answer a request; the query names the page with `page`."""
        visit = self._pages.visit(request.query_params.get("page", ""))
        if visit.page.every_s is None:
            raise NoSuchPage
        topic = self._site.topic(visit)
        if request.method == "GET" and "text/event-stream" in request.headers.get("accept", ""):
            seen = request.headers.get("last-event-id", "")
            return EventStream(self._site.hub, topic, self._places, seen=seen)
        seen = request.headers.get("if-none-match", "").strip('"')
        return await self._threads.run(self._poll, topic, seen)

    def _poll(self, topic: PageTopic, seen: str) -> Response:
        found = self._polls.read(topic)
        headers = {"etag": f'"{found.version}"', "vary": "accept"}
        if found.version == seen:
            return Response(status_code=304, headers=headers)
        return JSONResponse({"regions": found.regions, "period_s": 0, "outage": ""}, headers=headers)
