"""Each route is guarded: the matrix is made of the application's own list, so that a new one cannot be forgotten."""

from itertools import product
from urllib.parse import urlencode

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from dashboards import (
    FORM,
    HOST,
    ORIGIN,
    SECURITY_HEADERS,
    answered,
    ask,
    browser,
    in_loop,
    paths_of,
    site_without_database,
)
from evtrack.interfaces.web import app as web_app
from evtrack.interfaces.web.app import Door, dashboard, dashboard_routes, site_of
from evtrack.interfaces.web.security.act_gate import ActRights
from evtrack.interfaces.web.security.failures import FailureLimit
from evtrack.interfaces.web.security.host_login import NoLogin
from evtrack.interfaces.web.security.token_login import TokenLogin

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
HOSTS = (HOST, "localhost:8484", "[::1]:8484", "evil.test:8484", "localhost", "")
OURS = HOSTS[:3]
SITES = (None, "same-origin", "same-site", "cross-site", "none", "")
ORIGINS = (None, "own", "null", "http://127.0.0.1:9", "https://127.0.0.1:8484", "http://evil.test:8484")
TOKEN = "a token of the tests"


class Touch:
    """An act that does nothing."""

    name = "touch"
    path = "/jobs/{job_id}/touch"

    async def ask(self, request: Request, desk: object) -> Response:
        del request, desk
        return PlainTextResponse("touch it?")

    async def perform(self, request: Request, desk: object) -> Response:
        del request, desk
        return PlainTextResponse("touched")


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Route], object, TokenLogin]:
    """The routes of a dashboard with an act, whose database is away, and the dashboard."""
    monkeypatch.setattr(web_app, "ACTS", (*web_app.ACTS, Touch()))
    site = site_without_database()
    # Whoever is let in finds that the database is away, at once.
    login = TokenLogin(TOKEN, name="8484", renderer=site.renderer, failures=FailureLimit())
    made = Door(login=login, hosts=frozenset(OURS), acts=ActRights("host=127.0.0.1 port=1"))
    routes = [each for each in dashboard_routes(site, made) if isinstance(each, Route)]
    return routes, dashboard(site, made), login


def expected(route: Route, method: str, host: str, site: str | None, origin: str | None, *, knows: bool) -> set[int]:
    """Return what a request must be answered with: the rules once more, as plainly as can be."""
    if host not in OURS:
        return {421}
    if method not in {"GET", "HEAD", "POST"}:
        return {405}
    if method == "POST" and not (site == "same-origin" or (site is None and origin == f"http://{host}")):
        return {403}
    is_open = route.path.startswith(("/static/", "/login")) or route.path in {"/healthz", "/settings"}
    if not (knows or is_open):
        return {401}
    if method not in (route.methods or ()):
        return {405}
    # A form of an act without what the act needs is the act's to refuse.
    return {200, 303, 404, 503} | ({400, 403, 409} if method == "POST" else {403})


@pytest.mark.timeout(300)
def test_each_route_answers_whom_it_should_and_nobody_else(door: tuple[list[Route], object, TokenLogin]) -> None:
    routes, app, _ = door

    async def wrong() -> list[str]:
        found = []
        async with browser(app) as user:  # type: ignore[arg-type]
            cookie = (await user.get("/", params={"token": TOKEN})).headers["set-cookie"].split(";")[0]
        form = urlencode({"token": TOKEN}).encode()
        of_form = {"content-type": FORM["content-type"], "content-length": str(len(form))}
        for (route, path), method, host, site, origin, knows in product(
            zip(routes, paths_of(routes), strict=True), METHODS, HOSTS, SITES, ORIGINS, (False, True)
        ):
            is_form = method == "POST" and host in OURS
            if not is_form and (site, origin) not in {("same-origin", "own"), ("cross-site", "null")}:
                continue  # only a form is asked where it comes from
            own = f"http://{host}" if origin == "own" else origin
            given = {"host": host, "sec-fetch-site": site, "origin": own, "cookie": cookie if knows else None}
            headers = {name: value for name, value in given.items() if value is not None}
            sent = {**headers, **of_form} if method == "POST" else headers
            status, names = await answered(app, method, path, sent, form if method == "POST" else b"")  # type: ignore[arg-type]
            allowed = expected(route, method, host, site, own, knows=knows)
            lacks = [name for name in SECURITY_HEADERS if name not in names]
            if status not in allowed or lacks or "access-control-allow-origin" in names:
                found.append(f"{method} {path} {headers}: {status}, not {allowed}; lacks {lacks}")
        return found

    with capture_logs():
        assert [] == in_loop(wrong)[:5]


def test_only_named_routes_take_forms(door: tuple[list[Route], object, TokenLogin]) -> None:
    routes, _, _ = door
    taking = {route.path for route in routes if "POST" in (route.methods or ())}
    acts = {act.path for act in web_app.ACTS}
    assert {"/login", "/settings"} | acts == taking
    assert all((route.methods or set()) <= {"GET", "HEAD", "POST"} for route in routes)


def one(app: object, method: str, url: str, **more: object) -> httpx.Response:
    """Send one request."""
    (answer,) = ask(app, (method, url, more))  # type: ignore[arg-type]
    return answer


@pytest.fixture
def opened() -> object:
    """A dashboard without a login, whose database is away."""
    return dashboard(site_without_database(), Door(login=NoLogin(), hosts=frozenset([HOST])))


def test_a_request_is_refused_without_an_echo(opened: object) -> None:
    answer = one(opened, "GET", "/<script>?q=<script>", headers={"host": "<script>.test"})
    assert 421 == answer.status_code
    assert "script" not in answer.text


def test_the_policy_of_every_answer_allows_nothing_from_elsewhere_and_nothing_inline(opened: object) -> None:
    ours = ("script-src", "style-src", "img-src", "connect-src", "form-action")
    nothing = ("default-src", "base-uri", "frame-ancestors")
    for url in ("/", "/nowhere", "/healthz", "/jobs?phase=x"):
        headers = one(opened, "GET", url).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert dict.fromkeys(ours, "'self'") | dict.fromkeys(nothing, "'none'") == policy
        assert ("nosniff", "same-origin") == (headers["x-content-type-options"], headers["referrer-policy"])
        assert "no-store" == headers["cache-control"]


def test_an_error_of_the_database_names_no_password() -> None:
    site = site_of("host=127.0.0.1 port=1 user=nobody password=sesame connect_timeout=1")
    app = dashboard(site, Door(login=NoLogin(), hosts=frozenset([HOST])))
    answers = ask(app, ("GET", "/"), ("GET", "/now.json"), ("GET", "/healthz"), ("GET", "/doctor?run=yes"))
    assert {503} == {each.status_code for each in answers[:3]}
    assert "sesame" not in "".join(each.text for each in answers)


def test_two_hosts_are_refused(opened: object) -> None:
    assert 421 == one(opened, "GET", "/", headers=[("host", HOST), ("host", "evil.test")]).status_code


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("/healthz?" + "x" * 4_100, {}, 414),
        ("/" + "x" * 4_100, {}, 414),
        ("/", {"x-filler": "x" * 16_400}, 431),
        ("/", {f"x-filler-{n}": "x" * 100 for n in range(160)}, 431),
        ("//evil.test/", {}, 400),
    ],
)
def test_addresses_and_headers_have_a_limit(opened: object, url: str, headers: dict[str, str], status: int) -> None:
    assert status == one(opened, "GET", f"{ORIGIN}{url}", headers=headers).status_code


def test_a_page_is_asked_for_without_a_body(opened: object) -> None:
    assert 400 == one(opened, "GET", "/", content=b"theme=dark").status_code


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"theme=dark", {}, 303),
        (b"theme=" + b"x" * 16_378, {}, 303),
        (b"theme=" + b"x" * 16_379, {}, 413),
        (b"theme=dark", {"content-length": "99999999999999999999999999"}, 413),
        (b"theme=dark", {"content-length": "-1"}, 413),
        (b"theme=dark", {"content-type": "text/plain"}, 415),
        (b"theme=dark", {"content-type": "multipart/form-data; boundary=x"}, 415),
        (b"theme=dark", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, 303),
        (b"\xff\xfe", {}, 400),
        (b"&".join(b"a=1" for _ in range(1_002)), {}, 400),
    ],
)
def test_forms_have_a_kind_and_a_limit(opened: object, content: bytes, headers: dict[str, str], status: int) -> None:
    answer = one(opened, "POST", "/settings", content=content, headers=FORM | headers)
    assert status == answer.status_code, answer.text


def test_a_form_that_does_not_say_how_long_it_is_has_the_same_limit(opened: object) -> None:
    async def parts() -> object:
        for _ in range(100):
            yield b"x" * 1_000

    async def answer() -> httpx.Response:
        async with browser(opened) as asking:  # type: ignore[arg-type]
            return await asking.post("/settings", content=parts(), headers=FORM)  # type: ignore[arg-type]

    assert 413 == in_loop(answer).status_code


def test_without_sec_fetch_site_the_origin_decides_scheme_and_port_too(opened: object) -> None:
    form = {"content-type": FORM["content-type"]}
    for origin, status in ((ORIGIN, 303), ("http://127.0.0.1:80", 403), (f"https://{HOST}", 403), (None, 403)):
        headers = form if origin is None else form | {"origin": origin}
        assert status == one(opened, "POST", "/settings", headers=headers).status_code, origin
    both = FORM | {"origin": ORIGIN, "sec-fetch-site": "same-site"}
    assert 403 == one(opened, "POST", "/settings", headers=both).status_code


def test_an_error_has_a_number_that_the_log_has_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_without_database()
    monkeypatch.setattr(type(site.pool), "read", lambda *_: 1 / 0)
    app = dashboard(site, Door(login=NoLogin(), hosts=frozenset([HOST])))
    with capture_logs() as lines:
        page, document = ask(app, ("GET", "/?secret=x"), ("GET", "/now.json"))
    assert 500 == page.status_code == document.status_code
    assert "ZeroDivision" not in page.text + document.text
    assert "secret" not in page.text
    assert all(name in page.headers and name in document.headers for name in SECURITY_HEADERS)
    logged = [line for line in lines if line["event"] == "web_error"]
    assert [True, True] == [
        line["number"] in answer.text for line, answer in zip(logged, (page, document), strict=True)
    ]
    assert "secret" not in str([line for line in lines if line["event"] == "web_request"])


def test_a_database_that_is_away_is_a_page_that_loads_again(opened: object) -> None:
    page, document, missing = ask(
        opened,  # type: ignore[arg-type]
        ("GET", "/"),
        ("GET", "/now.json"),
        ("GET", "/nowhere"),
    )
    assert 503 == page.status_code == document.status_code
    assert "2" == page.headers["retry-after"] == page.headers["refresh"]
    assert {"status", "error", "hint"} == set(document.json())
    assert 404 == missing.status_code


def test_without_rights_acts_do_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_app, "ACTS", (Touch(),))
    site = site_without_database()
    reading = dashboard(site, Door(login=NoLogin(), hosts=frozenset([HOST])))
    post = ("POST", "/jobs/1/touch", {"headers": FORM})
    assert [404, 404] == [each.status_code for each in ask(reading, ("GET", "/jobs/1/touch"), post)]
    asked: list[str] = []

    def nobody(user: str) -> bool:
        asked.append(user)
        return False

    refusing = dashboard(site, Door(login=NoLogin(), hosts=frozenset([HOST]), acts=ActRights("", nobody)))
    assert [403, 403] == [each.status_code for each in ask(refusing, ("GET", "/jobs/1/touch"), post)]
    assert 2 == len(asked)
    acting = dashboard(site, Door(login=NoLogin(), hosts=frozenset([HOST]), acts=ActRights("")))
    assert ["touch it?", "touched"] == [each.text for each in ask(acting, ("GET", "/jobs/1/touch"), post)]
