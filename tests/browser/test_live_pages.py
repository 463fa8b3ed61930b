"""What a viewer sees of what happens meanwhile, and what stays where it is."""

import json
import os
import re
import signal
import statistics
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, expect
from psycopg import Connection

from chromium import Visitor, served, visiting
from client import Client
from evtrack.interfaces.web.serving.dashboard import ServedDashboard, ServingOptions
from polling import eventually
from workers import submit, worker_process
from world import World

CRASHES = 20

_SEEN = """() => {
  window.seen = {};
  const look = () => {
    for (const link of document.querySelectorAll("#crashes a")) window.seen[link.textContent.trim()] ??= Date.now();
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
  look();
}"""


_LOCKS = "navigator.locks.query().then((locks) => locks.held)"


def test_a_killed_slot_is_on_the_screen_at_once_and_nothing_else_moves(
    browser: Browser, dsn: str, conn: Connection[Any], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    queue = Client(conn, "scripted")
    item = json.dumps({"do": "sleep", "s": 60, "trace": str(trace)})
    job = submit(queue, *[item] * (CRASHES + 1), max_crashes=1)
    with served(dsn) as dashboard, visiting(browser, dashboard) as visitor, worker_process(dsn, "--slots", "1"):
        page = visitor.visit("/")
        page.evaluate(_SEEN)
        expect(page.locator("#state.live")).to_be_visible()
        took = []
        for number in range(1, CRASHES + 1):
            pid = _pid_of_item(trace, number)
            if number == 2:
                _settle_down(page)
            killed_at = time.time()
            os.kill(pid, signal.SIGKILL)
            name = f"{job}/{number}"
            seen_at = eventually(lambda name=name: page.evaluate("(name) => window.seen[name]", name), every_s=0.05)
            took.append(seen_at / 1000 - killed_at)
        _is_as_it_was(page)
        assert statistics.median(took) <= 0.5, sorted(took)


def _pid_of_item(trace: Path, number: int) -> int:
    """Return the process that has this item in hand, once it has."""

    def begun() -> str | None:
        lines = trace.read_text().splitlines() if trace.exists() else []
        return lines[number - 1] if len(lines) >= number else None

    return int(eventually(begun).split()[-1])


def _settle_down(page: Page) -> None:
    """Put the focus on a link in a region that changes, scroll to the crashes, and select their heading."""
    page.set_viewport_size({"width": 1000, "height": 400})
    page.locator("#workers a").first.focus()
    page.evaluate(
        """() => {
          window.focused = document.activeElement;
          window.heading = document.getElementById("crashes-title");
          getSelection().selectAllChildren(heading);
          heading.scrollIntoView();
          window.top0 = heading.getBoundingClientRect().top;
        }"""
    )


def _is_as_it_was(page: Page) -> None:
    assert page.evaluate("window.focused === document.activeElement && window.focused.tagName === 'A'")
    assert page.evaluate("getSelection().toString()").startswith("Latest crashes")
    # The page may scroll by what changes above, so that all stays where the user looks.
    assert page.evaluate("Math.abs(heading.getBoundingClientRect().top - top0) < 2")


def test_progress_is_shown_in_time(browser: Browser, dsn: str, queue: Client) -> None:
    job, worker = queue.job(10, items=2), queue.worker()
    claims = queue.claim(worker, job)
    with served(dsn) as dashboard, visiting(browser, dashboard) as visitor:
        page = visitor.visit(f"/jobs/{job}")
        expect(page.locator("#state.live")).to_be_visible()
        late = []
        for number, claim in enumerate(claims[:7], 1):
            begun = time.monotonic()
            queue.complete(worker, [claim])
            expect(page.locator("#head")).to_contain_text(re.compile(rf"(?<!\d){2 * number} (of|/) 20"))
            took = time.monotonic() - begun
            # Where the machine is busy, the page is read less often, and says so.
            state = page.locator("#state [role=status]").inner_text()
            period = re.fullmatch(r"every (\d+) s", state.strip())
            late.append(took - (float(period[1]) if period else 1))
        assert statistics.median(late) <= 0.5, sorted(late)


def test_twenty_patches_leave_details_open_and_the_focus_where_it_is(browser: Browser, dsn: str, queue: Client) -> None:
    job, worker = queue.job(1, max_crashes=60, backoff_s=0), queue.worker()

    def crash(**which: int) -> None:
        claims = queue.claim(worker, job, **which)
        queue.crash(worker, claims, cause="signal", signal="SIGSEGV", stderr="what it printed\n" * 40)
        # Any alert lets a page be read at once; a story is read every two seconds otherwise.
        queue.conn.execute("NOTIFY evtrack_alert")

    crash()
    with served(dsn) as dashboard, visiting(browser, dashboard) as visitor:
        page = visitor.visit(f"/jobs/{job}/batches/1")
        expect(page.locator("#state.live")).to_be_visible()
        summary = page.locator("#timeline details summary").first
        summary.focus()
        page.keyboard.press("Enter")
        page.evaluate("scrollTo(0, 60); window.focused = document.activeElement; window.top0 = scrollY")
        for number in range(2, 22):
            crash(fresh=0)
            expect(page.locator("#timeline .status.crashed")).to_have_count(number)
        assert page.evaluate("window.focused === document.activeElement && window.focused.tagName === 'SUMMARY'")
        assert page.evaluate("window.focused.parentElement.open")
        assert page.evaluate("scrollY === window.top0")


def test_a_page_says_when_the_server_is_away_and_goes_on_by_itself(browser: Browser, dsn: str, queue: Client) -> None:
    job = queue.job(2)
    options: dict[str, Any] = {"auth": "none"}
    with served(dsn, **options) as dashboard:
        visitor = Visitor(browser, dashboard)
        page = visitor.visit(f"/jobs/{job}")
        expect(page.locator("#state.live")).to_be_visible()
        port = dashboard.port
    expect(page.locator("#state")).to_contain_text("stands still")
    queue.conn.execute("SELECT evtrack.suspend(%s)", [job])
    back = ServedDashboard(dsn, ServingOptions(port=port, **options))
    thread = threading.Thread(target=back.run)
    thread.start()
    try:
        expect(page.locator("#state.live")).to_be_visible()
        expect(page.locator("#head")).to_contain_text("suspended")
    finally:
        visitor.context.close()
        back.stop()
        thread.join(20)
    # The browser itself reports the connections that were refused meanwhile.
    assert [] == [
        each for each in visitor.complaints.found if "ERR_CONNECTION_REFUSED" not in each and "ERR_" not in each
    ]


def test_eight_tabs_of_a_browser_all_load(visitor: Visitor, world: World) -> None:
    pages, took = [], []
    for _ in range(8):
        begun = time.monotonic()
        pages.append(visitor.visit(f"/jobs/{world.running}"))
        expect(pages[-1].locator("#state.live")).to_be_visible()
        took.append(time.monotonic() - begun)
    # A seventh that had to wait for a connection would never load; the first one fills the caches.
    assert statistics.median(took) < 2, took
    held = eventually(lambda: [each["name"] for each in pages[0].evaluate(_LOCKS)])
    assert {f"evtrack-live-{place}" for place in (1, 2, 3, 4)} == set(held)


def test_a_wrong_clock_of_the_browser_is_shown(visitor: Visitor) -> None:
    page = visitor.page()
    shown = re.compile(r'(?<=<span id="at"><time datetime=")[^"]+')

    def an_hour_ago(route: Route) -> None:
        answer = route.fetch()
        earlier = datetime.now(UTC) - timedelta(hours=1)
        route.fulfill(response=answer, body=shown.sub(earlier.isoformat(timespec="seconds"), answer.text()))

    page.route(visitor.origin + "/", an_hour_ago)
    page.goto(visitor.origin + "/")
    expect(page.locator(".state")).to_contain_text(re.compile(r"this browser's clock is 3[56]\d\d s ahead"))


def test_times_are_shown_in_the_zone_of_the_viewer(browser: Browser, dashboard: ServedDashboard) -> None:
    with visiting(browser, dashboard, timezone_id="Asia/Kolkata") as visitor:
        page = visitor.visit("/jobs")
        shown = page.locator("#at time").inner_text()
        assert shown.endswith("Z")
        page.get_by_role("button", name="Local time").click()
        expect(page.locator("#at time")).not_to_contain_text("Z")
        assert (page.locator("#at time").get_attribute("title") or "").endswith("Z")
