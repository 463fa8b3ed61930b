"""Ask a dashboard without a server: requests through httpx straight to the ASGI application."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import httpx
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from evtrack.interfaces.web.app import Door, dashboard, site_of
from evtrack.interfaces.web.pages import PAGES
from evtrack.interfaces.web.security.host_login import NoLogin
from evtrack.interfaces.web.site import Site

T = TypeVar("T")

HOST = "127.0.0.1:8484"
ORIGIN = f"http://{HOST}"
FORM = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
"""What a browser sends with a form of the page itself."""

SECURITY_HEADERS = (
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "cache-control",
    "server-timing",
)
"""The headers that every answer has."""


@asynccontextmanager
async def browser(app: ASGIApp, *, client: str = "127.0.0.1", base: str = ORIGIN) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client that follows no redirect and keeps cookies.

    Args:
        app: The application.
        client: The address that it asks from.
        base: What its addresses begin with.
    """
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(client, 40_000))
    async with httpx.AsyncClient(transport=transport, base_url=base) as asking:
        yield asking


def ask(
    app: ASGIApp, *requests: tuple[str, str, Mapping[str, Any]] | tuple[str, str], client: str = "127.0.0.1"
) -> list[httpx.Response]:
    """Send requests one after the other.

    Args:
        app: The application.
        *requests: Method, address and httpx's arguments of each.
        client: The address that they come from.

    Returns:
        The answers.
    """

    async def answers() -> list[httpx.Response]:
        async with browser(app, client=client) as asking:
            return [await asking.request(method, url, **(more[0] if more else {})) for method, url, *more in requests]

    return in_loop(answers)


async def answered(
    app: ASGIApp, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[int, frozenset[str]]:
    """Send a request without httpx, which takes several times as long: for thousands of them.

    Args:
        app: The application.
        method: The request's method.
        path: What it asks for.
        headers: Its headers, with lower-case names.
        body: Its body.

    Returns:
        The answer's status, and the names of its headers.
    """
    begun: list[tuple[int, frozenset[str]]] = []
    ended = anyio.Event()
    bodies = [body]

    async def receive() -> Message:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.append((message["status"], frozenset(name.decode() for name, _ in message["headers"])))
        elif not message.get("more_body", False):
            ended.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8484),
    }
    await app(scope, receive, send)
    ((status, names),) = begun
    return status, names


def in_loop(function: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function in an event loop of its own."""
    return anyio.run(function)


def site_without_database(**options: Any) -> Site:
    """Return a site whose pages all say that the database is away, at once."""
    return site_of("host=127.0.0.1 port=1 user=nobody connect_timeout=1", **options)


def open_dashboard(dsn: str, **door: Any) -> tuple[ASGIApp, Site]:
    """Return a dashboard that asks for no login, and what to close."""
    site = site_of(dsn)
    return dashboard(site, Door(**{"login": NoLogin(), "hosts": frozenset([HOST]), **door})), site


def page_addresses(job: int = 1) -> list[str]:
    """Return an address of each page about a job, with 1 in place of the other parameters of its path."""
    paths = (re.sub(r"\{job(_id)?\}", str(job), page.path) for page in PAGES)
    return [re.sub(r"\{\w+\}", "1", path) + "?at=2100-01-01" for path in paths]


def paths_of(routes: Sequence[Any]) -> Iterator[str]:
    """Return an address of each route, with 1 in place of each parameter."""
    for route in routes:
        assert isinstance(route, Route)
        yield route.url_path_for(route.name, **dict.fromkeys(route.param_convertors, "1"))
