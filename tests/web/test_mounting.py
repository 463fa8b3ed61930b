"""The dashboard inside of another application, which runs no lifespan for it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

import evtrack.web
from dashboards import FORM, HOST, ORIGIN, SECURITY_HEADERS, ask, page_addresses
from evtrack.domain.errors import BadArgument
from pgbouncer import pooled

Make = Callable[..., evtrack.web.Dashboard]

pytestmark = pytest.mark.integration


def name_of(request: HTTPConnection) -> str | None:
    """Know a user by a header, as a host application knows them by a session."""
    return request.headers.get("x-test-user")


async def name_soon(request: HTTPConnection) -> str | None:
    """Know a user only after a while."""
    return name_of(request)


def hosted(dashboard: ASGIApp, at: str = "/ops") -> Starlette:
    """Return an application that has a page of its own, and mounts the dashboard."""

    async def home(_: HTTPConnection) -> PlainTextResponse:
        return PlainTextResponse("home")

    return Starlette(routes=[Mount(at, dashboard), Route("/", home)])


def in_fastapi(dashboard: ASGIApp) -> FastAPI:
    """Return an application of FastAPI that does the same."""
    app = FastAPI()
    app.mount("/ops", dashboard)

    @app.get("/", response_class=PlainTextResponse)
    def home() -> str:
        return "home"

    return app


@pytest.fixture
def made() -> Iterator[Make]:
    """Make dashboards, and close them at the end."""
    dashboards: list[evtrack.web.Dashboard] = []

    def make(dsn: str, **options: Any) -> evtrack.web.Dashboard:
        dashboards.append(evtrack.web.app(dsn, **{"user": name_of, **options}))
        return dashboards[-1]

    yield make
    for each in dashboards:
        each.close()


ANN = {"headers": {"x-test-user": "ann"}}


@pytest.mark.parametrize(("host", "user"), [(hosted, name_of), (in_fastapi, name_soon)])
def test_mounted_under_a_path_its_links_lead_below_it(
    made: Make, shared_dsn: str, host: Callable[[ASGIApp], ASGIApp], user: object
) -> None:
    app = host(made(shared_dsn, user=user, prefix="/ops"))
    home, page, bare, document, stranger, style = ask(
        app,
        ("GET", "/"),
        ("GET", "/ops/", ANN),
        ("GET", "/ops/now.json", ANN),
        ("GET", "/ops/live?page=/", ANN),
        ("GET", "/ops/"),
        ("GET", "/ops/healthz"),
    )
    assert "home" == home.text
    assert 200 == page.status_code, page.text
    assert all(name in page.headers for name in SECURITY_HEADERS)
    assert "content-security-policy" not in home.headers
    links = [part.split('"')[0] for mark in ('href="', 'src="', 'action="') for part in page.text.split(mark)[1:]]
    assert links
    assert [] == [link for link in links if not link.startswith(("/ops/", "#"))]
    assert "ann" in page.text
    assert [200, 200, 403, 200] == [each.status_code for each in (bare, document, stranger, style)]


def test_a_form_of_the_mounted_page_comes_back_to_it(made: Make, shared_dsn: str) -> None:
    app = hosted(made(shared_dsn, prefix="/ops"))
    form = {"headers": FORM | ANN["headers"], "data": {"theme": "dark", "next": "/"}}
    done, page = ask(app, ("POST", "/ops/settings", form), ("GET", "/ops/", ANN))
    assert (303, "/ops/") == (done.status_code, done.headers["location"])
    assert "Path=/ops;" in done.headers["set-cookie"]
    assert 'data-theme="dark"' in page.text


def test_its_host_header_is_checked_where_that_is_asked_for(made: Make, shared_dsn: str) -> None:
    app = hosted(made(shared_dsn, prefix="/ops", hosts=[HOST]))
    assert [200, 421] == [
        each.status_code
        for each in ask(app, ("GET", f"{ORIGIN}/ops/", ANN), ("GET", "http://evil.test:8484/ops/", ANN))
    ]


def test_a_host_that_drops_the_mounted_path_and_middleware_in_front_do_no_harm(made: Make, shared_dsn: str) -> None:
    dashboard = made(shared_dsn, prefix="/ops")

    async def older(scope: Scope, receive: Receive, send: Send) -> None:
        # Frameworks before ASGI 3 was clarified, and WSGI bridges, take the mounted path out of `path`.
        await dashboard({**scope, "root_path": "/ops", "path": scope["path"].removeprefix("/ops")}, receive, send)

    assert 200 == ask(older, ("GET", "/ops/", ANN))[0].status_code
    behind = Starlette(routes=[Mount("/ops", dashboard)], middleware=[Middleware(AuthenticationMiddleware, _Nobody())])
    assert 200 == ask(behind, ("GET", "/ops/", ANN))[0].status_code


class _Nobody:
    """Authenticates nobody, as middleware of a host application may."""

    async def authenticate(self, conn: HTTPConnection) -> None:
        del conn


def test_a_wrong_prefix_says_which_one_is_right(made: Make, shared_dsn: str) -> None:
    (answer,) = ask(hosted(made(shared_dsn)), ("GET", "/ops/", ANN))
    assert 500 == answer.status_code
    with pytest.raises(BadArgument):
        evtrack.web.app(shared_dsn, user=name_of, prefix="ops")


@pytest.mark.parametrize("name", [None, "", "\x1b[31m", "x" * 201, False, 7])
def test_who_has_no_name_is_not_let_in(made: Make, name: Any) -> None:
    (answer,) = ask(made("host=127.0.0.1 port=1", user=lambda _: name), ("GET", "/"))
    assert 403 == answer.status_code


def test_users_have_no_default() -> None:
    with pytest.raises(TypeError):
        evtrack.web.app("")  # type: ignore[call-arg]


def test_without_a_schema_each_page_says_so(made: Make, empty_dsn: str) -> None:
    addresses = page_addresses()
    document, health, *pages = ask(
        made(empty_dsn), ("GET", "/now.json", ANN), ("GET", "/healthz"), *[("GET", each, ANN) for each in addresses]
    )
    assert 503 == document.status_code == health.status_code
    assert "evtrack migrate up" in document.json()["hint"]
    assert [503] * len(addresses) == [page.status_code for page in pages]
    assert [] == [str(page.url) for page in pages if "evtrack migrate up" not in page.text]


def test_behind_a_pooler_pages_are_the_same(made: Make, shared_dsn: str) -> None:
    with pooled(shared_dsn) as through:
        direct, pooler = made(shared_dsn), made(through)
        asked = [("GET", each, ANN) for each in ("/healthz", *page_addresses())]
        codes = [[each.status_code for each in ask(app, *asked, *asked)] for app in (direct, pooler)]
        assert codes[0] == codes[1]
        assert {200, 404} == set(codes[0])
