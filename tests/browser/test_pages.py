"""Every page, at each size and in each theme: no complaint, nothing cut off, nothing that axe-core finds."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from chromium import Visitor, visiting
from evtrack.interfaces.web.page_finder import PageFinder
from evtrack.interfaces.web.pages import PAGES
from evtrack.interfaces.web.serving.dashboard import ServedDashboard
from looks import SIZES, THEMES, faults, violations
from world import NOWHERE, World, addresses

NAMES = list(addresses(NOWHERE))


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are kept: EVTRACK_TEST_SCREENSHOTS, or pytest's own directory."""
    named = os.environ.get("EVTRACK_TEST_SCREENSHOTS")
    directory = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.mark.parametrize("name", NAMES)
def test_a_page_looks_right(name: str, visitor: Visitor, world: World, artefacts: Path) -> None:
    page = visitor.visit(addresses(world)[name])
    assert 1 == page.locator("h1").count()
    _look(page, name, artefacts)


@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(name: str, visitor: Visitor, world: World) -> None:
    page = visitor.visit(addresses(world)[name])
    found = []
    page.set_viewport_size({"width": 1440, "height": 900})
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        found += [(theme, *each) for each in violations(page)]
    page.emulate_media(color_scheme="light", forced_colors="active")
    found += [("forced colours", *each) for each in violations(page)]
    page.emulate_media(color_scheme="light", forced_colors="none")
    page.set_viewport_size({"width": 360, "height": 780})
    found += [("phone", *each) for each in violations(page)]
    assert [] == found


def test_pages_of_errors_and_of_the_login_look_right_too(
    browser: Browser, dashboard: ServedDashboard, world: World, artefacts: Path
) -> None:
    with visiting(browser, dashboard) as visitor:
        visitor.complaints.allowed = 404
        for name, address in (("no-page", "/nowhere"), ("job-dropped", f"/jobs/{world.dropped}")):
            page = visitor.visit(address)
            _look(page, name, artefacts)
            assert [] == violations(page)
    with visiting(browser, dashboard) as visitor:
        visitor.complaints.allowed = 401
        page = visitor.context.new_page()
        visitor.complaints.listen(page)
        page.goto(dashboard.address)
        assert "token" in page.locator("main").inner_text().lower()
        _look(page, "login", artefacts)
        assert [] == violations(page)


def test_the_world_has_every_page(world: World) -> None:
    finder = PageFinder(PAGES)
    shown = {finder.visit(address).page.name for address in addresses(world).values() if "/doctor" not in address}
    assert {page.name for page in PAGES} == shown


def _look(page: Page, name: str, artefacts: Path) -> None:
    found = []
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            page.screenshot(path=artefacts / f"{name}-{size}-{theme}.png", full_page=True)
        found += [(size, fault) for fault in faults(page)]
    assert [] == found
