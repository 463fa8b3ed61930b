"""What a viewer sees of what happens meanwhile, and what stays where it is."""

import json
import os
import re
import signal
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect
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
        expect(page.locator("#state")).to_contain_text("live")
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
    """Scroll, select a heading, and put the focus on a link in a region that changes."""
    page.set_viewport_size({"width": 1000, "height": 400})
    page.locator("#workers a, #jobs a").first.focus()
    page.evaluate("getSelection().selectAllChildren(document.getElementById('crashes-title'))")
    page.evaluate("window.focused = document.activeElement; scrollTo(0, 120)")
    page.evaluate("window.top0 = focused.getBoundingClientRect().top")


def _is_as_it_was(page: Page) -> None:
    assert page.evaluate("window.focused === document.activeElement && document.activeElement.tagName === 'A'")
    assert page.evaluate("getSelection().toString()").startswith("Latest crashes")
    # What comes above it may scroll the page, so that it stays where the user looks.
    assert page.evaluate("Math.abs(focused.getBoundingClientRect().top - top0) < 2")


def test_progress_is_shown_in_time(browser: Browser, dsn: str, queue: Client) -> None:
    job, worker = queue.job(10, items=2), queue.worker()
    claims = queue.claim(worker, job)
    with served(dsn) as dashboard, visiting(browser, dashboard) as visitor:
        page = visitor.visit(f"/jobs/{job}")
        expect(page.locator("#state")).to_contain_text("live")
        took = []
        for number, claim in enumerate(claims[:7], 1):
            begun = time.monotonic()
            queue.complete(worker, [claim])
            expect(page.locator("#head .tiles")).to_contain_text(re.compile(rf"\b{2 * number}\s+of 20"))
            took.append(time.monotonic() - begun)
        assert statistics.median(took) <= 1.5, sorted(took)


def test_twenty_patches_leave_details_open_and_the_focus_where_it_is(browser: Browser, dsn: str, queue: Client) -> None:
    job, worker = queue.job(1, max_crashes=60, backoff_s=0), queue.worker()

    def crash(**which: int) -> None:
        claims = queue.claim(worker, job, **which)
        queue.crash(worker, claims, cause="signal", signal="SIGSEGV", stderr="what it printed\n" * 40)

    crash()
    with served(dsn) as dashboard, visiting(browser, dashboard) as visitor:
        page = visitor.visit(f"/jobs/{job}/batches/1")
        expect(page.locator("#state")).to_contain_text("live")
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
        expect(page.locator("#state")).to_contain_text("live")
        port = dashboard.port
    expect(page.locator("#state")).to_contain_text("stands still", timeout=10_000)
    queue.conn.execute("SELECT evtrack.suspend(%s)", [job])
    back = ServedDashboard(dsn, ServingOptions(port=port, **options))
    thread = threading.Thread(target=back.run)
    thread.start()
    try:
        expect(page.locator("#state")).to_contain_text("live", timeout=15_000)
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
        took.append(time.monotonic() - begun)
    assert max(took) < 2
    for page in pages:
        expect(page.locator("#state")).to_contain_text(re.compile("live|every 5 s"), timeout=10_000)
    states = [page.locator("#state").inner_text() for page in pages]
    assert 4 == sum("live" in state for state in states), states


def test_a_wrong_clock_of_the_browser_is_shown(visitor: Visitor) -> None:
    page = visitor.page()
    page.clock.install(time=time.time() + 3600)
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
