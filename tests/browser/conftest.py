"""One browser, one world and one dashboard for all tests of pages; those that change something make their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import servers
from chromium import Visitor, chromium, served, visiting
from evtrack.interfaces.web.serving.dashboard import ServedDashboard
from world import World, built


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this directory: they run by themselves, as Playwright's event loop is in the way of others'."""
    for item in items:
        if "/tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def world(browser: Browser, admin_dsn: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A database in which everything has happened; not made if there is no browser to look at it."""
    del browser
    with servers.cloned(admin_dsn, template) as dsn, built(dsn, tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="session")
def dashboard(world: World) -> Iterator[ServedDashboard]:
    """A dashboard over that world."""
    with served(world.viewer) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def acting(world: World) -> Iterator[ServedDashboard]:
    """Another one, whose users may act."""
    with served(world.viewer, act_as=world.dsn) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where to keep screenshots: EVTRACK_TEST_SCREENSHOTS; without it, none are made."""
    named = os.environ.get("EVTRACK_TEST_SCREENSHOTS")
    if not named:
        return None
    directory = Path(named)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture
def visitor(browser: Browser, dashboard: ServedDashboard) -> Iterator[Visitor]:
    """A user who looks at it; the test fails if the browser complains about anything."""
    with visiting(browser, dashboard) as visitor:
        yield visitor
