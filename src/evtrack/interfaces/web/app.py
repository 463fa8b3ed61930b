"""The dashboard as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from starlette.applications import Starlette
from starlette.routing import Route

from evtrack.interfaces.web.downloads import DownloadEndpoint
from evtrack.interfaces.web.endpoints import LiveEndpoint, PageEndpoint, json_path
from evtrack.interfaces.web.error_pages import ErrorPages
from evtrack.interfaces.web.page_finder import PageFinder
from evtrack.interfaces.web.pages import DOWNLOADS, PAGES
from evtrack.interfaces.web.rendering import Renderer
from evtrack.interfaces.web.security.guard import Guard
from evtrack.interfaces.web.site import Site
from evtrack.interfaces.web.static_files import STATIC_PATH, static_file
from evtrack.runtime.live.hub import Hub
from evtrack.runtime.live.reader_pool import ReaderPool

if TYPE_CHECKING:
    from starlette.types import ASGIApp

READERS: Final = 3
"""The most connections that pages use at a time; the hub has one more."""


def dashboard(site: Site, *, hosts: frozenset[str] | None) -> ASGIApp:
    """Put the parts of a dashboard together.

    Args:
        site: What the pages read with.
        hosts: The values of the header Host that are ours; None where a host application checks that.
    """
    threads = anyio.CapacityLimiter(READERS)
    routes = [Route(STATIC_PATH, static_file), Route("/live", LiveEndpoint(site, PageFinder(PAGES), threads).__call__)]
    routes += [Route(each.path, DownloadEndpoint(site, each, threads).__call__) for each in DOWNLOADS]
    for page in PAGES:
        routes.append(Route(json_path(page.path), PageEndpoint(site, page, threads, as_json=True).__call__))
        routes.append(Route(page.path, PageEndpoint(site, page, threads, as_json=False).__call__))
    app = Starlette(routes=routes, exception_handlers=ErrorPages(site.renderer).handlers)
    return Guard(app, hosts=hosts)


def site_of(dsn: str, *, prefix: str = "") -> Site:
    """Make what the pages read with; no connection is opened yet.

    Args:
        dsn: The database.
        prefix: Where the application is mounted, without a slash at the end.
    """
    return Site(
        pool=ReaderPool(dsn, purpose="web", size=READERS),
        hub=Hub(dsn, purpose="web live"),
        renderer=Renderer(prefix),
    )
