"""A foreign page in the browser of a user who is logged in: whatever it sends is refused, and it reads nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from chromium import served
from evtrack.interfaces.web import app as web_app
from evtrack.interfaces.web.security.act_gate import ActRights
from evtrack.interfaces.web.serving.dashboard import ServedDashboard
from polling import eventually

_ATTACK = """<!doctype html><title>attack</title><body>
<iframe id="frame" src="{target}"></iframe>
<img id="image" src="{target}">
<iframe name="sink"></iframe>
<form id="form" method="post" action="{target}jobs/1/touch" target="sink"><input name="a" value="b"></form>
<form id="settings" method="post" action="{target}settings" target="sink"><input name="theme" value="dark"></form>
<script>
const results = {{}};
const tried = async (name, attempt) => {{
  try {{ const answer = await attempt(); results[name] = answer.type + " " + answer.status; }}
  catch (error) {{ results[name] = "refused"; }}
}};
const target = "{target}";
const form = {{ "content-type": "application/x-www-form-urlencoded" }};
(async () => {{
  document.getElementById("form").submit();
  document.getElementById("settings").submit();
  const more = {{ credentials: "include" }};
  await tried("read", () => fetch(target, more));
  await tried("json", () => fetch(target + "now.json", more));
  await tried("post", () => fetch(target + "jobs/1/touch", {{ ...more, method: "POST", headers: form, body: "a=b" }}));
  await tried("blind", () => fetch(
    target + "jobs/1/touch", {{ ...more, mode: "no-cors", method: "POST", headers: form, body: "a=b" }}));
  await tried("delete", () => fetch(target + "jobs/1/touch", {{ ...more, method: "DELETE" }}));
  await tried("stream", () => new Promise((resolve, reject) => {{
    const stream = new EventSource(target + "live?page=/", {{ withCredentials: true }});
    stream.onmessage = () => {{ stream.close(); resolve({{ type: "stream", status: 200 }}); }};
    stream.onerror = () => {{ stream.close(); reject(new Error()); }};
  }}));
  document.title = "done";
}})();
</script>"""


class Touch:
    """An act that counts how often it was done."""

    name = "touch"
    path = "/jobs/{job_id}/touch"

    def __init__(self) -> None:
        self.done = 0

    async def ask(self, request: Request, rights: ActRights) -> Response:
        del request, rights
        return PlainTextResponse("touch it?")

    async def perform(self, request: Request, rights: ActRights) -> Response:
        del request, rights
        self.done += 1
        return PlainTextResponse("touched")


@contextmanager
def foreign_site(page: str) -> Iterator[str]:
    """Serve a page on another port of this host."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def touch(monkeypatch: pytest.MonkeyPatch) -> Touch:
    """An act of the dashboard."""
    act = Touch()
    monkeypatch.setattr(web_app, "ACTS", (*web_app.ACTS, act))
    return act


@pytest.fixture
def acting(shared_dsn: str, touch: Touch) -> Iterator[ServedDashboard]:
    """A dashboard that may act."""
    del touch
    with served(shared_dsn, act_as=shared_dsn) as dashboard:
        yield dashboard


@pytest.fixture
def visited(browser: Browser, acting: ServedDashboard) -> Iterator[Callable[[str], Page]]:
    """Open pages in a browser whose user is logged in."""
    context: BrowserContext = browser.new_context()
    home = context.new_page()
    home.goto(acting.shown_address)
    assert "Overview" in home.title()

    def visit(address: str) -> Page:
        page = context.new_page()
        page.goto(address)
        return page

    yield visit
    context.close()


def test_a_page_of_another_port_acts_on_nothing_and_reads_nothing(
    acting: ServedDashboard, touch: Touch, visited: Callable[[str], Page]
) -> None:
    with foreign_site(_ATTACK.format(target=acting.address)) as site:
        page = visited(site)
        eventually(lambda: "done" == page.title())
        results = page.evaluate("results")
        assert {"read", "json", "post", "blind", "delete", "stream"} == set(results)
        # What a page may send without reading the answer is answered with a refusal that it cannot see.
        assert {"refused", "opaque 0"} >= set(results.values()), results
        assert "refused" == results["read"] == results["json"] == results["delete"] == results["stream"]
        assert 0 == page.evaluate("document.getElementById('image').naturalWidth")
        texts = [frame.content() for frame in page.frames if frame is not page.main_frame]
        assert [] == [text for text in texts if "Overview" in text]
    assert 0 == touch.done
    own = visited(acting.address)
    assert "auto" == own.locator("html").get_attribute("data-theme")


def test_a_name_that_is_made_to_point_here_gets_nothing(
    acting: ServedDashboard, visited: Callable[[str], Page]
) -> None:
    page = visited(acting.address.replace("127.0.0.1", "evil.test"))
    assert "does not answer for that host name" in page.content()
    assert "Overview" not in page.content()


def test_a_form_of_the_page_itself_is_taken(acting: ServedDashboard, visited: Callable[[str], Page]) -> None:
    page = visited(acting.address)
    page.get_by_role("button", name="Dark").click()
    page.wait_for_load_state()
    assert "dark" == page.locator("html").get_attribute("data-theme")
    assert acting.address == page.url
