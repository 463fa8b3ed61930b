"""The link of each kind of alert leads to a page that there is."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from evtrack.domain.alerts.alert import Alert
from evtrack.interfaces.web.page_finder import PageFinder
from evtrack.interfaces.web.pages import PAGES

FACTS = {"job_id": "3", "batch_no": "7", "worker_id": "9", "handler": quote("a/b?c&d", safe="")}


def _kinds(kind: type[Alert]) -> Iterator[type[Alert]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)


@pytest.mark.parametrize("kind", list(_kinds(Alert)))
def test_an_alert_links_to_a_page(kind: type[Alert]) -> None:
    link = kind.page.format_map(FACTS)
    assert link == PageFinder(PAGES).visit(link).address
