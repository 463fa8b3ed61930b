"""A dashboard with an address of its own, without a process of its own."""

import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from evtrack.interfaces.cli.shared.dashboard import serving_dashboard
from evtrack.interfaces.web.serving import dashboard as serving
from evtrack.interfaces.web.serving.dashboard import ServedDashboard, ServingOptions
from evtrack.interfaces.web.serving.server import listening_socket

pytestmark = pytest.mark.integration


def test_a_browser_gets_the_token_from_a_private_file(shared_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(serving.webbrowser, "open", lambda address: opened.append(address) or True)
    served = ServedDashboard(shared_dsn, ServingOptions(port=0))
    try:
        assert served.open()
        (address,) = opened
        token = served.shown_address.partition("?token=")[2]
        assert token
        assert token not in address
        file = Path(unquote(urlsplit(address).path))
        assert served.shown_address in file.read_text()
        assert (0o600, 0o700) == (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777)
    finally:
        served.close()
    assert not file.parent.exists()


def test_during_a_run_a_port_in_use_is_no_obstacle(
    shared_dsn: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(serving.ServingOptions.__init__, "__kwdefaults__", _with_port(port))
        with serving_dashboard(shared_dsn, wanted=True):
            assert "evtrack-web" in {thread.name for thread in threading.enumerate()}
        assert "evtrack-web" not in {thread.name for thread in threading.enumerate()}
    shown = capfd.readouterr().err
    assert "Dashboard: http://127.0.0.1:" in shown
    assert f":{port}/" not in shown


def _with_port(port: int) -> dict[str, object]:
    return {**(ServingOptions.__init__.__kwdefaults__ or {}), "port": port}


def test_it_is_served_on_ipv6_too(shared_dsn: str) -> None:
    try:
        served = ServedDashboard(shared_dsn, ServingOptions(port=0, host="::1", auth="none"))
    except ValueError:
        pytest.skip("this host has no IPv6")
    thread = threading.Thread(target=served.run)
    thread.start()
    try:
        assert served.address == f"http://[::1]:{served.port}/"
        assert 200 == httpx.get(served.address, timeout=20).status_code
    finally:
        served.stop()
        thread.join(20)


def test_the_printed_name_is_the_one_that_is_answered(shared_dsn: str) -> None:
    for name, shown in (("ops.test", "ops.test"), ("ops.test:8443", "ops.test:8443")):
        served = ServedDashboard(shared_dsn, ServingOptions(port=0, host="0.0.0.0", allowed_hosts=(name,)))  # noqa: S104
        served.close()
        wanted = shown if ":" in shown else f"{shown}:{served.port}"
        assert served.address == f"http://{wanted}/"
