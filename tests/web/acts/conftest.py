"""A dashboard that lets everybody act, with a database of each test's own."""

from collections.abc import Iterator

import pytest

from act_browser import ActBrowser
from dashboards import open_dashboard
from evtrack.interfaces.web.security.act_gate import ActRights


@pytest.fixture
def acting(dsn: str) -> Iterator[ActBrowser]:
    """A browser without scripts, whose user may act."""
    app, site = open_dashboard(dsn, acts=ActRights(dsn))
    yield ActBrowser(app)
    site.close()
