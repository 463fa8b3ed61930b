"""The dashboard on a standby: it shows everything, and where it is."""

import pytest

from dashboards import ask, open_dashboard, page_addresses
from evtrack.interfaces.web.page import Visit
from evtrack.interfaces.web.pages.now import NOW
from evtrack.runtime.live.topics import Frame
from polling import eventually
from scene import scene

pytestmark = [pytest.mark.integration, pytest.mark.slow]


class Watching:
    """A viewer that keeps what it is offered."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def offer(self, frame: Frame) -> None:
        self.frames.append(frame)

    def end(self) -> None:
        """Nothing ends here."""


def test_pages_of_a_standby_say_that_it_is_one() -> None:
    with scene(with_standby=True) as made:
        assert made.standby is not None
        app, site = open_dashboard(made.standby.dsn("127.0.0.1", dbname="evtrack", user="app"))
        try:
            # The schema arrives a moment after it was committed on the primary.
            eventually(lambda: 200 == ask(app, ("GET", "/"))[0].status_code)
            page, document, health = ask(app, ("GET", "/"), ("GET", "/now.json"), ("GET", "/healthz"))
            assert [200, 200, 200] == [each.status_code for each in (page, document, health)]
            assert "(standby)" in page.text
            pages = ask(app, *[("GET", each) for each in page_addresses()])
            assert {200, 404} == {each.status_code for each in pages}
            watched = Watching()
            assert site.hub.watch(site.topic(Visit(NOW, ())), watched)
            assert "" == eventually(lambda: watched.frames)[0].outage
        finally:
            site.close()
