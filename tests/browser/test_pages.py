"""Every page, in each size and theme: no complaint, nothing cut off, nothing moves, nothing that axe-core finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from chromium import Visitor, visiting
from evtrack.interfaces.web.page_finder import PageFinder
from evtrack.interfaces.web.pages import PAGES
from evtrack.interfaces.web.serving.dashboard import ServedDashboard
from looks import faults
from world import NOWHERE, VARIANTS, World, addresses


@pytest.fixture(scope="module")
def reader(browser: Browser, dashboard: ServedDashboard) -> Iterator[Visitor]:
    """A user who reads one page after the other in a tab."""
    with visiting(browser, dashboard) as visitor:
        visitor.page()
        yield visitor


@pytest.mark.parametrize("name", addresses(NOWHERE))
def test_a_page_looks_right(name: str, reader: Visitor, world: World, pictures: Path | None) -> None:
    page = reader.context.pages[0]
    page.goto(reader.origin + addresses(world)[name])
    found = [*faults(page, pictures, name, is_variant=name in VARIANTS), *reader.complaints.take()]
    assert not found, "\n".join(found)


def test_pages_of_errors_and_of_the_login_look_right_too(
    browser: Browser, dashboard: ServedDashboard, world: World, pictures: Path | None
) -> None:
    with visiting(browser, dashboard) as visitor:
        visitor.complaints.allowed = 404
        for name, address in (("no-page", "/nowhere"), ("job-dropped", f"/jobs/{world.dropped}")):
            assert [] == faults(visitor.visit(address), pictures, name)
    with visiting(browser, dashboard) as visitor:
        visitor.complaints.allowed = 401
        visitor.context.clear_cookies()
        page = visitor.visit("/")
        assert "token" in page.locator("main").inner_text().lower()
        assert [] == faults(page, pictures, "login")


def test_the_world_has_every_page(world: World) -> None:
    finder = PageFinder(PAGES)
    shown = {finder.visit(address).page.name for address in addresses(world).values() if "/doctor" not in address}
    assert {page.name for page in PAGES} == shown
