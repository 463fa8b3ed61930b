"""Answers requests for pages: as HTML, or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, Response

from evtrack.interfaces.web.address import Address
from evtrack.interfaces.web.json_documents import json_document
from evtrack.interfaces.web.page import AnyPage, Visit
from evtrack.interfaces.web.security.act_gate import may_act
from evtrack.interfaces.web.security.preferences import viewer_values, wants_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from evtrack.interfaces.web.page_threads import PageThreads
    from evtrack.interfaces.web.security.act_gate import ActRights
    from evtrack.interfaces.web.site import Site
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
        threads: Where pages are made.
        acts: What acts are done with, if there are any.
    """

    def __init__(
        self,
        site: Site,
        page: AnyPage,
        threads: PageThreads,
        *,
        as_json: bool,
        acts: ActRights | None = None,
    ) -> None:
        self._site, self._page, self._threads, self._as_json, self._acts = site, page, threads, as_json, acts

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        visit = visit_of(self._page, request)
        if self._as_json or wants_json(request):
            return await self._threads.run(self._json, visit)
        viewer = viewer_values(request, self._site.renderer, may_act=may_act(request, self._acts))
        return await self._threads.run(self._html, visit, viewer)

    def _json(self, visit: Visit) -> Response:
        model, cost = self._read(visit)
        return Response(json_document(model), media_type="application/json", headers=_headers(cost))

    def _html(self, visit: Visit, viewer: Mapping[str, Any]) -> Response:
        model, cost = self._read(visit)
        values = self._site.values(visit, model) | {"cost": cost, "json_address": self._json_address(visit), **viewer}
        return HTMLResponse(self._site.renderer.page(visit.page.name, values), headers=_headers(cost))

    def _read(self, visit: Visit) -> tuple[Any, ReadCost]:
        topic = self._site.topic(visit)
        latest = self._site.hub.latest(topic)
        return (latest.model, latest.cost) if latest is not None else self._site.pool.read(topic.read)

    def _json_address(self, visit: Visit) -> str:
        path, mark, query = visit.address.partition("?")
        return self._site.renderer.link(json_path(path)) + mark + query


def _headers(cost: ReadCost) -> dict[str, str]:
    return {"server-timing": f'db;dur={1000 * cost.seconds:.1f};desc="{cost.statements}"', "vary": "accept"}


def json_path(path: str) -> str:
    """Return where the same page is as JSON."""
    return f"{'/now' if path == '/' else path}.json"
