"""The dashboard as an ASGI application."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.routing import Route

from evtrack.interfaces.web.acts import ACTS
from evtrack.interfaces.web.acts.desk import ActDesk
from evtrack.interfaces.web.downloads import DownloadEndpoint
from evtrack.interfaces.web.endpoints import PageEndpoint, json_path
from evtrack.interfaces.web.error_pages import ErrorPages
from evtrack.interfaces.web.healthz import HEALTHZ_PATH, HealthEndpoint
from evtrack.interfaces.web.live.endpoint import LiveEndpoint
from evtrack.interfaces.web.page_finder import PageFinder
from evtrack.interfaces.web.page_threads import PageThreads
from evtrack.interfaces.web.pages import DOWNLOADS, PAGES, RESULT_DOWNLOADS
from evtrack.interfaces.web.pages.act import act_page
from evtrack.interfaces.web.pages.doctor import doctor_page
from evtrack.interfaces.web.rendering import Renderer
from evtrack.interfaces.web.search import SEARCH_PATH, SearchEndpoint
from evtrack.interfaces.web.security.access_log import AccessLog
from evtrack.interfaces.web.security.act_gate import ActRights, act_routes
from evtrack.interfaces.web.security.gate import Gate
from evtrack.interfaces.web.security.guard import Guard
from evtrack.interfaces.web.security.mount_point import MountPoint
from evtrack.interfaces.web.security.peers import Forwarded, TrustedProxies
from evtrack.interfaces.web.security.preferences import SETTINGS_PATH, SettingsEndpoint
from evtrack.interfaces.web.site import Site
from evtrack.interfaces.web.static_files import STATIC_PATH, static_file
from evtrack.runtime.doctor.checkups import CheckUps
from evtrack.runtime.live.hub import Hub
from evtrack.runtime.live.reader_pool import ReaderPool

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from evtrack.interfaces.web.security.identity import Login

READERS: Final = 3
"""The most connections that pages use at a time; the hub has one more."""


_OPEN: Final = (HEALTHZ_PATH, SETTINGS_PATH)
"""What anybody may ask for, besides static files and the pages of the login, which has the switch of the theme, too."""


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in, and how.

    Args:
        login: Answers who asks.
        hosts: The values of the header Host that are ours; None where a host application checks that.
        trusted: The proxies whose headers count.
        acts: What acts are done with; None for a dashboard that only shows.
    """

    login: Login
    hosts: frozenset[str] | None = None
    trusted: TrustedProxies = field(default_factory=lambda: TrustedProxies(()))
    acts: ActRights | None = None


class Dashboard:
    """An ASGI application that can be closed; whoever mounts it may leave that out.

    Args:
        site: What the pages read with.
        door: Who may come in.
    """

    def __init__(self, site: Site, door: Door) -> None:
        self._site, self._app = site, dashboard(site, door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    def close(self) -> None:
        """End all streams, and close the connections."""
        self._site.close()


def dashboard(site: Site, door: Door) -> ASGIApp:
    """Put the parts of a dashboard together.

    Args:
        site: What the pages read with.
        door: Who may come in.
    """
    routes = dashboard_routes(site, door)
    app = Starlette(routes=routes, exception_handlers=ErrorPages(site.renderer).handlers)
    # It would name the host of the request.
    app.router.redirect_slashes = False
    inner = Guard(Gate(app, door.login, is_open=partial(_is_open, door)), hosts=door.hosts)
    return MountPoint(Forwarded(AccessLog(inner), door.trusted), site.renderer.prefix)


def dashboard_routes(site: Site, door: Door) -> list[BaseRoute]:
    """Return the routes of a dashboard.

    Args:
        site: What the pages read with.
        door: Who may come in.
    """
    threads = PageThreads(READERS)
    pages = PAGES if door.acts is None else (*PAGES, act_page(site.acts))
    routes: list[BaseRoute] = [
        Route(STATIC_PATH, static_file),
        Route(HEALTHZ_PATH, HealthEndpoint(site.pool).__call__),
        Route(SETTINGS_PATH, SettingsEndpoint(site.renderer).__call__, methods=["POST"]),
        Route(SEARCH_PATH, SearchEndpoint(site.renderer).__call__),
        Route("/live", LiveEndpoint(site, PageFinder(pages), threads).__call__),
        *door.login.routes,
    ]
    if door.acts is not None:
        routes += act_routes(ACTS, door.acts, ActDesk(site, door.acts))
    downloads = (*DOWNLOADS, *RESULT_DOWNLOADS) if site.show_results else DOWNLOADS
    routes += [Route(each.path, DownloadEndpoint(site, each, threads).__call__) for each in downloads]
    for page in (*pages, doctor_page(site.checkups)):
        for path, as_json in ((json_path(page.path), True), (page.path, False)):
            endpoint = PageEndpoint(site, page, threads, as_json=as_json, acts=door.acts)
            routes.append(Route(path, endpoint.__call__))
    return routes


def _is_open(door: Door, path: str) -> bool:
    pages = {each.path for each in door.login.routes if isinstance(each, Route)}
    return path.startswith("/static/") or path in _OPEN or path in pages


def site_of(dsn: str, *, prefix: str = "", show_results: bool = False) -> Site:
    """Make what the pages read with; no connection is opened yet.

    Args:
        dsn: The database.
        prefix: Where the application is mounted, without a slash at the end.
        show_results: Whether pages show the results of handlers.
    """
    return Site(
        pool=ReaderPool(dsn, purpose="web", size=READERS),
        hub=Hub(dsn, purpose="web live"),
        renderer=Renderer(prefix),
        checkups=CheckUps(dsn),
        show_results=show_results,
    )
