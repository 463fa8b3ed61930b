"""Debian's Chromium, driven by Playwright: pages that keep every complaint of the browser."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from evtrack.interfaces.web.serving.dashboard import ServedDashboard, ServingOptions

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that somebody has made to point at this host.
    "--host-resolver-rules=MAP evil.test 127.0.0.1",
)
_STOP_S = 20
_WAIT_MS = 30_000  # as eventually() does, for a busy machine


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser; without it, skip, but fail where EVTRACK_TEST_BROWSER says that it has to be there."""
    program = shutil.which("chromium")
    if program is None:
        assert not os.environ.get("EVTRACK_TEST_BROWSER"), "chromium is not installed"
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=_WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def served(dsn: str, **options: Any) -> Iterator[ServedDashboard]:
    """Serve a dashboard on a free port from a thread.

    Args:
        dsn: The database.
        **options: The fields of ServingOptions.
    """
    dashboard = ServedDashboard(dsn, ServingOptions(**{"port": 0, **options}))
    thread = threading.Thread(target=dashboard.run)
    thread.start()
    try:
        yield dashboard
    finally:
        dashboard.stop()
        thread.join(_STOP_S)


@dataclass
class Complaints:
    """What a browser complains about: errors, refusals of the content security policy, requests to other hosts.

    Args:
        origin: Where the dashboard is.
        allowed: The status of an answer that the test expects, and the console reports as an error.
    """

    origin: str
    allowed: int | None = None
    found: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Hear what a page says from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"page error: {error}"))
        page.on("request", self._request)

    def take(self) -> list[str]:
        """Return what there was so far, and forget it."""
        found, self.found = self.found, []
        return found

    def _console(self, message: ConsoleMessage) -> None:
        expected = self.allowed is not None and f"status of {self.allowed}" in message.text
        if message.type in {"error", "warning"} and not expected:
            self.found.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if f"{parts.scheme}://{parts.netloc}" != self.origin and parts.scheme != "data":
            self.found.append(f"request to {request.url}")


class Visitor:
    """A user of a dashboard, with a browser profile of their own.

    Args:
        browser: The browser.
        dashboard: The dashboard; the visitor logs in.
        **profile: What Browser.new_context takes.
    """

    def __init__(self, browser: Browser, dashboard: ServedDashboard, **profile: Any) -> None:
        self.origin = dashboard.address.rstrip("/")
        self.context: BrowserContext = browser.new_context(**{"reduced_motion": "reduce", **profile})
        self.complaints = Complaints(self.origin)
        # Into the cookies of this profile, without a page that is opened for nothing.
        self.context.request.get(dashboard.shown_address)

    def page(self) -> Page:
        """Open an empty tab."""
        page = self.context.new_page()
        self.complaints.listen(page)
        return page

    def visit(self, address: str) -> Page:
        """Open a page of the dashboard in a new tab."""
        page = self.page()
        page.goto(self.origin + address)
        return page

    def close(self) -> None:
        """Close all tabs, and make sure that there were no complaints."""
        self.context.close()
        assert [] == self.complaints.found


@contextmanager
def visiting(browser: Browser, dashboard: ServedDashboard, **profile: Any) -> Iterator[Visitor]:
    """Let a user visit a dashboard while the block runs."""
    visitor = Visitor(browser, dashboard, **profile)
    try:
        yield visitor
    except BaseException:
        visitor.context.close()
        raise
    visitor.close()
