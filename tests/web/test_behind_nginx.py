"""The dashboard behind a real nginx, at its root and below a prefix that it takes away or leaves."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from evtrack.interfaces.web.serving.dashboard import ServedDashboard, ServingOptions
from nginx import free_port, proxied

pytestmark = pytest.mark.integration


@contextmanager
def served(dsn: str, options: ServingOptions) -> Iterator[ServedDashboard]:
    """Serve a dashboard from a thread."""
    dashboard = ServedDashboard(dsn, options)
    thread = threading.Thread(target=dashboard.run)
    thread.start()
    try:
        yield dashboard
    finally:
        dashboard.stop()
        thread.join(20)


@pytest.mark.parametrize(("prefix", "takes_away"), [("", False), ("/ops", False), ("/ops", True)])
def test_pages_forms_and_streams_come_through(shared_dsn: str, prefix: str, takes_away: bool) -> None:  # noqa: FBT001
    port = free_port()
    options = ServingOptions(
        port=0,
        prefix=prefix or "/",
        allowed_hosts=(f"127.0.0.1:{port}",),
        trusted_proxies=("127.0.0.1",),
        auth="proxy:X-Remote-User",
    )
    with served(shared_dsn, options) as dashboard:
        target = f"http://127.0.0.1:{dashboard.port}" + ("/" if takes_away else "")
        with proxied(target, location=f"{prefix}/", port=port) as address, httpx.Client() as client:
            page = client.get(address)
            assert 200 == page.status_code, page.text
            assert "ann" in page.text
            assert f'href="{prefix}/jobs"' in page.text
            # Plain http that is not loopback: browsers send Origin alone.
            form = {"theme": "dark", "next": "/"}
            own = client.post(f"{address}settings", data=form, headers={"origin": f"http://127.0.0.1:{port}"})
            foreign = client.post(f"{address}settings", data=form, headers={"origin": f"https://127.0.0.1:{port}"})
            assert (303, f"{prefix}/") == (own.status_code, own.headers["location"])
            assert 403 == foreign.status_code
            assert 421 == client.get(address, headers={"host": "evil.test"}).status_code
            live = f"{address}live?page=/"
            stream = urllib.request.Request(live, headers={"accept": "text/event-stream"})  # noqa: S310  the same
            with urllib.request.urlopen(stream, timeout=10) as events:  # noqa: S310  our own address
                lines = [events.readline() for _ in range(4)]
            assert any(line.startswith(b"data: {") for line in lines), lines


def test_nobody_comes_round_the_proxy(shared_dsn: str) -> None:
    options = ServingOptions(port=0, trusted_proxies=("192.0.2.1",), auth="proxy:X-Remote-User")
    with served(shared_dsn, options) as dashboard:
        assert 403 == httpx.get(dashboard.address, headers={"x-remote-user": "ann"}).status_code
