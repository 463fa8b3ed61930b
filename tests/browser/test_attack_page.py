"""A foreign page in the browser of a user who may act: all that it sends is refused, and it reads nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from client import Client
from evtrack.interfaces.web.serving.dashboard import ServedDashboard
from evtrack.storage.connection.connect import connect
from polling import eventually
from world import World

_ATTACK = """<!doctype html><title>attack</title><body>
<iframe id="frame" src="{target}"></iframe>
<img id="image" src="{target}">
<iframe name="acted"></iframe>
<iframe name="set"></iframe>
<form id="act" method="post" action="{target}{act}" target="acted"><input name="number" value="{job}"></form>
<form id="settings" method="post" action="{target}settings" target="set"><input name="theme" value="dark"></form>
<script>
const results = {{}};
const tried = async (name, attempt) => {{
  try {{ const answer = await attempt(); results[name] = answer.type + " " + answer.status; }}
  catch (error) {{ results[name] = "refused"; }}
}};
const target = "{target}", act = "{target}{act}";
const form = {{ "content-type": "application/x-www-form-urlencoded" }};
const submitted = (id) => new Promise((resolve) => {{
  const sent = document.getElementById(id);
  document.getElementsByName(sent.target)[0].onload = resolve;
  sent.submit();
}});
(async () => {{
  await submitted("act");
  await submitted("settings");
  const more = {{ credentials: "include" }};
  await tried("read", () => fetch(target, more));
  await tried("json", () => fetch(target + "now.json", more));
  await tried("post", () => fetch(act, {{ ...more, method: "POST", headers: form, body: "number={job}" }}));
  await tried("blind", () => fetch(
    act, {{ ...more, mode: "no-cors", method: "POST", headers: form, body: "number={job}" }}));
  await tried("delete", () => fetch(act, {{ ...more, method: "DELETE" }}));
  await tried("stream", () => new Promise((resolve, reject) => {{
    const stream = new EventSource(target + "live?page=/", {{ withCredentials: true }});
    stream.onmessage = () => {{ stream.close(); resolve({{ type: "stream", status: 200 }}); }};
    stream.onerror = () => {{ stream.close(); reject(new Error()); }};
  }}));
  document.title = "done";
}})();
</script>"""


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
def visit(browser: Browser, acting: ServedDashboard) -> Iterator[Callable[[str], Page]]:
    """Open pages in a browser whose user is logged in."""
    context = browser.new_context()
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
    acting: ServedDashboard, visit: Callable[[str], Page], world: World
) -> None:
    before = _written(world)
    attack = _ATTACK.format(target=acting.address, act=f"jobs/{world.running}/suspend", job=world.running)
    with foreign_site(attack) as site:
        page = visit(site)
        eventually(lambda: "done" == page.title())
        results = page.evaluate("results")
        assert {"read", "json", "post", "blind", "delete", "stream"} == set(results)
        # What a page may send without reading the answer is answered with a refusal that it cannot see.
        assert {"refused", "opaque 0"} >= set(results.values()), results
        assert "refused" == results["read"] == results["json"] == results["delete"] == results["stream"]
        assert 0 == page.evaluate("document.getElementById('image').naturalWidth")
        texts = [frame.content() for frame in page.frames if frame is not page.main_frame]
        assert [] == [text for text in texts if "Overview" in text]
    assert before == _written(world)
    assert "auto" == visit(acting.address).locator("html").get_attribute("data-theme")


def test_a_name_that_is_made_to_point_here_gets_nothing(acting: ServedDashboard, visit: Callable[[str], Page]) -> None:
    page = visit(acting.address.replace("127.0.0.1", "evil.test"))
    assert "does not answer for that host name" in page.content()
    assert "Overview" not in page.content()


def _written(world: World) -> list[Any]:
    """Return the number of events, and whether the job that is attacked is suspended."""
    with connect(world.dsn, purpose="test") as conn:
        client = Client(conn)
        return [
            client.one("SELECT count(*) FROM evtrack.event"),
            client.one("SELECT suspended FROM evtrack.job_status WHERE job_id = %s", world.running),
        ]
