"""Answers requests for pages: as HTML, as JSON, or live."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from starlette.responses import HTMLResponse, JSONResponse, Response

from evtrack.interfaces.web.address import Address, NoSuchPage
from evtrack.interfaces.web.json_documents import json_document
from evtrack.interfaces.web.page import AnyPage, Visit
from evtrack.interfaces.web.security.act_gate import may_act
from evtrack.interfaces.web.security.preferences import viewer_values, wants_json
from evtrack.interfaces.web.stream import EventStream, StreamPlaces
from evtrack.runtime.live.topics import regions_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from evtrack.interfaces.web.page_finder import PageFinder
    from evtrack.interfaces.web.security.act_gate import ActRights
    from evtrack.interfaces.web.site import PageTopic, Site
    from evtrack.storage.connection.snapshot import ReadCost


def visit_of(page: AnyPage, request: Request) -> Visit:
    """Read what a request asks for.

    Raises:
        NoSuchPage: The address is not one of the page's.
    """
    return Visit(page, page.parse(Address(request.path_params, request.query_params)))


class PageEndpoint:
    """Answers with a page.

    Args:
        site: What it reads with.
        page: The page.
        as_json: Whether as JSON.
        threads: How many pages are made at a time.
        acts: What acts are done with, if there are any.
    """

    def __init__(
        self,
        site: Site,
        page: AnyPage,
        threads: anyio.CapacityLimiter,
        *,
        as_json: bool,
        acts: ActRights | None = None,
    ) -> None:
        self._site, self._page, self._threads, self._as_json, self._acts = site, page, threads, as_json, acts

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        visit = visit_of(self._page, request)
        if self._as_json or wants_json(request):
            return await anyio.to_thread.run_sync(self._json, visit, limiter=self._threads)
        viewer = viewer_values(request, self._site.renderer, may_act=may_act(request, self._acts))
        return await anyio.to_thread.run_sync(self._html, visit, viewer, limiter=self._threads)

    def _json(self, visit: Visit) -> Response:
        model, cost = self._read(visit)
        return Response(json_document(model), media_type="application/json", headers=_headers(cost))

    def _html(self, visit: Visit, viewer: Mapping[str, Any]) -> Response:
        model, cost = self._read(visit)
        values = self._site.values(visit, model) | {"cost": cost, "json_address": self._json_address(visit), **viewer}
        return HTMLResponse(self._site.renderer.page(visit.page.name, values), headers=_headers(cost))

    def _read(self, visit: Visit) -> tuple[Any, ReadCost]:
        topic = self._site.topic(visit)
        found = self._site.hub.latest(topic)
        return found if found is not None else self._site.pool.read(topic.read)

    def _json_address(self, visit: Visit) -> str:
        path, mark, query = visit.address.partition("?")
        return self._site.renderer.link(json_path(path)) + mark + query


def _headers(cost: ReadCost) -> dict[str, str]:
    return {"server-timing": f'db;dur={1000 * cost.seconds:.1f};desc="{cost.statements}"', "vary": "accept"}


def json_path(path: str) -> str:
    """Return where the same page is as JSON."""
    return f"{'/now' if path == '/' else path}.json"


class LiveEndpoint:
    """Answers with what is watched: as a stream of events, or once, for those who poll.

    Args:
        site: Where to watch.
        pages: Finds the page of an address below the prefix.
        threads: How many pages are made at a time.
    """

    def __init__(self, site: Site, pages: PageFinder, threads: anyio.CapacityLimiter) -> None:
        self._site, self._pages, self._threads = site, pages, threads
        self._places = StreamPlaces()

    async def __call__(self, request: Request) -> Response:
        """Answer a request; the query names the page with `page`."""
        visit = self._pages.visit(request.query_params.get("page", ""))
        if visit.page.every_s is None:
            raise NoSuchPage
        topic = self._site.topic(visit)
        if "text/event-stream" in request.headers.get("accept", ""):
            seen = request.headers.get("last-event-id", "")
            return EventStream(self._site.hub, topic, self._places, seen=seen)
        seen = request.headers.get("if-none-match", "").strip('"')
        return await anyio.to_thread.run_sync(partial(self._poll, topic, seen), limiter=self._threads)

    def _poll(self, topic: PageTopic, seen: str) -> Response:
        found = self._site.hub.latest(topic)
        model, _ = found if found is not None else self._site.pool.read(topic.read)
        regions = dict(topic.render(model))
        version = regions_version(regions)
        headers = {"etag": f'"{version}"', "vary": "accept"}
        if version == seen:
            return Response(status_code=304, headers=headers)
        return JSONResponse({"regions": regions, "period_s": 0, "outage": ""}, headers=headers)
