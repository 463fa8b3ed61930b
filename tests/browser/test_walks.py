"""The way from the overview to the story of a poison item and back: by keyboard only, and without JavaScript."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from chromium import Visitor, visiting
from evtrack.interfaces.web.serving.dashboard import ServedDashboard
from polling import eventually
from world import BROKEN, World

_FOCUS = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return {text: e.textContent.trim(), name: e.tagName, ring, inView, place: e.outerHTML.slice(0, 120)};
}"""


def _tab_to(page: Page, text: str, *, most: int = 120) -> None:
    """Press Tab until a link or button with this text has the focus, which is visible at each stop."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focus = page.evaluate(_FOCUS)
        if focus is None:
            continue
        assert focus["ring"], f"no visible focus on {focus['place']}"
        assert focus["inView"], f"out of view: {focus['place']}"
        if focus["text"] == text:
            return
    pytest.fail(f"no {text!r} within {most} stops")


def _poison_batch(world: World, page: Page) -> str:
    """Return how the batch of a poison item is written where it crashed last."""
    row = page.locator("#crashes tr", has_text="poison").filter(has_text=f"doc:{BROKEN[0]}").first
    return row.get_by_role("link", name=re.compile(rf"^{world.poison}\/")).inner_text()


def test_by_keyboard_from_the_overview_to_the_poison_item_and_back(visitor: Visitor, world: World) -> None:
    page = visitor.visit("/crashes?handler=frail-parser")
    batch = _poison_batch(world, page)
    page.goto(visitor.origin + "/")
    page.keyboard.press("Tab")
    assert "Skip to the content" == page.evaluate(_FOCUS)["text"]
    _tab_to(page, "Crashes")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/crashes$"))
    _tab_to(page, batch, most=200)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(f"Batch {batch.partition('/')[2]}")
    _tab_to(page, f"doc:{BROKEN[0]}")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(f"doc:{BROKEN[0]}")
    for address in (f"/jobs/{world.poison}/batches/{batch.partition('/')[2]}", "/crashes", "/"):
        page.go_back()
        expect(page).to_have_url(visitor.origin + address)


def test_keys_go_to_pages_and_can_be_turned_off(visitor: Visitor, world: World) -> None:
    page = visitor.visit("/help")
    for keys, address in (("gj", "/jobs"), ("gc", "/crashes"), ("gw", "/workers"), ("?", "/help")):
        for key in keys:
            page.keyboard.press(key)
        expect(page).to_have_url(visitor.origin + address)
        page.wait_for_load_state()
    page.get_by_role("button", name="Turn the keys off").click()
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    expect(page).to_have_url(visitor.origin + "/help")
    page.get_by_role("button", name="Turn the keys on").click()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(f"{world.poison}/1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.origin}/jobs/{world.poison}/batches/1")


def test_keys_walk_through_rows_and_stop_the_updates(visitor: Visitor) -> None:
    page = visitor.visit("/jobs")
    rows = page.locator("tbody tr")
    for key, row in (("j", 0), ("j", 1), ("k", 0)):
        page.keyboard.press(key)
        expect(rows.nth(row).get_by_role("link").first).to_be_focused()
    expect(page.locator("#state.live")).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator("#state")).to_contain_text("live updates are off")
    page.keyboard.press("l")
    expect(page.locator("#state.live")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/jobs/\d+$"))


def test_a_command_is_copied(visitor: Visitor, world: World) -> None:
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.visit(f"/jobs/{world.poison}")
    button = page.locator("button.copy").first
    button.click()
    expect(button).to_have_text("Copied")
    assert button.get_attribute("data-copy") == page.evaluate("navigator.clipboard.readText()")
    expect(button).to_have_text("Copy")


def test_the_same_walk_without_javascript(browser: Browser, dashboard: ServedDashboard, world: World) -> None:
    with visiting(browser, dashboard, java_script_enabled=False) as visitor:
        page = visitor.visit("/")
        page.get_by_role("link", name="Crashes", exact=True).click()
        page.get_by_role("link", name=_poison_batch(world, page), exact=True).first.click()
        assert "Batch" in page.locator("h1").inner_text()
        page.get_by_role("link", name=re.compile("step by step")).click()
        assert "Hunt in batch 1" in page.locator("h1").inner_text()
        before = page.locator(".hunt-says").inner_text()
        for _ in range(6):
            page.get_by_role("link", name="Before").click()
        assert "As it was at" in page.locator("main").inner_text()
        assert before != page.locator(".hunt-says").inner_text()
        page.goto(f"{visitor.origin}/jobs/{world.poison}")
        page.locator(".slider").get_by_role("link", name="First").click()
        assert "at=" in page.url
        page.get_by_role("link", name="Now", exact=True).last.click()
        page.get_by_role("button", name="Dark").click()
        assert "dark" == page.locator("html").get_attribute("data-theme")
        assert 0 == page.locator("button.copy:visible, input[type=range]:visible, [data-play]:visible").count()


def test_what_a_screen_reader_gets_of_a_job_and_of_a_hunt(visitor: Visitor, world: World) -> None:
    page = visitor.visit(f"/jobs/{world.poison}")
    expect(page.locator("body")).to_match_aria_snapshot(f"""
- link "Skip to the content"
- banner:
  - link "evtrack"
  - navigation "Pages"
  - search
- main:
  - navigation "Above this page"
  - status
  - heading /Job {world.poison}/ [level=1]
  - heading /Hunts/ [level=2]
  - region /Hunts/:
    - table
  - heading "Crashes by cause" [level=2]
  - heading "What to run next" [level=2]
  - list "What to run next"
  - heading "Timeline" [level=2]
  - figure "Timeline":
    - img
  - slider "Moment"
  - heading "Slowest batches" [level=2]
- contentinfo
""")
    page.goto(f"{visitor.origin}/jobs/{world.poison}/hunt/1")
    expect(page.locator("main")).to_match_aria_snapshot("""
- heading /Hunt in batch 1/ [level=1]
- figure:
  - img
- slider "Moment"
- heading "Batches" [level=2]
- list "Batches":
  - listitem:
    - link "Batch 1"
""")


def test_the_slider_moves_through_a_hunt(visitor: Visitor, world: World) -> None:
    page = visitor.visit(f"/jobs/{world.poison}/hunt/1")
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile("at="))
    expect(page.locator("main")).to_contain_text("As it was at")
    expect(slider).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".hunt-says")).to_contain_text("found")


def test_a_hunt_is_played_from_its_first_moment(browser: Browser, dashboard: ServedDashboard, world: World) -> None:
    with visiting(browser, dashboard, reduced_motion="no-preference") as visitor:
        page = visitor.visit(f"/jobs/{world.poison}/hunt/1")
        slider = page.get_by_role("slider")
        last = slider.input_value()
        page.get_by_role("button", name="Play").click()
        eventually(lambda: 2 <= int(slider.input_value()) < int(last))
        expect(page.locator("main")).to_contain_text("As it was at")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_settings_are_kept(visitor: Visitor) -> None:
    page = visitor.visit("/jobs")
    page.get_by_role("button", name="Local time").click()
    expect(page.locator("html")).to_have_attribute("data-zone", "local")
    expect(page).to_have_url(visitor.origin + "/jobs")
    page.get_by_role("button", name="Dark").click()
    other = visitor.visit("/workers")
    assert "dark" == other.locator("html").get_attribute("data-theme")
    assert "local" == other.locator("html").get_attribute("data-zone")
