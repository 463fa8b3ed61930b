"""Whatever stands in an address, it is a page or none: no answer is an error of the dashboard."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from client import Client
from dashboards import HOST, ask
from evtrack.domain.column_types import BIGINT_MAX, INTEGER_MAX
from evtrack.domain.states import BatchStatus, JobPhase
from evtrack.interfaces.web.acts.kinds import parse_target
from evtrack.interfaces.web.address import Address
from evtrack.interfaces.web.app import Door, dashboard, dashboard_routes, site_of
from evtrack.interfaces.web.pages import PAGES
from evtrack.interfaces.web.security.act_gate import ActRights
from evtrack.interfaces.web.security.host_login import NoLogin
from evtrack.storage.connection.connect import connect

pytestmark = pytest.mark.integration


class _Noting(dict[str, str]):
    """A query that has nothing, and notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names = {"q", "page", "run"}

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


class _Ones(dict[str, str]):
    """A path of ones."""

    def __missing__(self, name: str) -> str:
        return "1"


def _parameters() -> list[str]:
    """Return what any page reads of a query."""
    noting = _Noting()
    for parse in (*(page.parse for page in PAGES), parse_target):
        try:
            parse(Address(_Ones(), noting))
        except Exception:  # noqa: BLE001, S112  that page needs more than a path
            continue
    return sorted(noting.names)


NUMBERS = st.sampled_from([0, 1, 2, 3, INTEGER_MAX, INTEGER_MAX + 1, BIGINT_MAX, BIGINT_MAX + 1]).map(str)
TIMES = st.sampled_from(
    ["2026-11-30", "0001-01-01", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-11-30T00:00:00.1-23:59",
     "9999-12-31T23:59:59-14:00", "1764500000000000-3-4", "253402300799999999-9223372036854775807-2147483647", "0-1-1"]
)  # fmt: skip
WORDS = st.sampled_from([*JobPhase, *BatchStatus, "signal", "yes", "scripted", "key:1", "/jobs/1", "/items?key=%FF"])
TEXTS = st.text(st.characters(), max_size=8).map(lambda text: text.encode(errors="surrogatepass"))
VALUES = (NUMBERS | TIMES | WORDS).map(str.encode) | TEXTS | st.binary(max_size=8)


@pytest.fixture(scope="module")
def asked(shared_dsn: str) -> Iterator[tuple[ASGIApp, list[Route], bytes]]:
    """A dashboard with a job in which something of everything has happened, its routes, and the number of the job."""
    with connect(shared_dsn, purpose="test") as conn:
        client = Client(conn, "scripted")
        job, worker = client.job(4, items=3, max_crashes=2), client.worker()
        done, failed, crashed, _ = client.claim(worker, job, fresh=4)
        client.complete(worker, [done])
        client.fail(worker, [failed], {"type": "ValueError", "message": "no"})
        client.crash(worker, [crashed], cause="signal", signal="SIGSEGV", item_key="key:7", ordinal=7, pid=1)
    site = site_of(shared_dsn)
    door = Door(login=NoLogin(), hosts=frozenset([HOST]), acts=ActRights(shared_dsn))
    routes = [each for each in dashboard_routes(site, door) if isinstance(each, Route)]
    yield dashboard(site, door), routes, str(job).encode()
    site.close()


def address_of(path: str, parts: Mapping[str, bytes], query: Mapping[str, bytes]) -> str:
    """Write an address of a route."""
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", quote(value, safe="")).replace(f"{{{name}:path}}", quote(value))
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return path + (f"?{text}" if text else "")


_PARAMETERS = _parameters()


@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_no_address_is_an_error_of_the_dashboard(
    asked: tuple[ASGIApp, list[Route], bytes], data: st.DataObject
) -> None:
    app, routes, job = asked
    requests = []
    for route in routes:
        parts = {name: data.draw(st.sampled_from([job, b"1"]) | VALUES) for name in route.param_convertors}
        query = data.draw(st.dictionaries(st.sampled_from(_PARAMETERS), VALUES, max_size=3))
        accept = data.draw(st.sampled_from(["text/html", "application/json"]))
        requests.append(("GET", address_of(route.path, parts, query), {"headers": {"accept": accept}}))
    with capture_logs():
        answers = ask(app, *requests)
    wrong = {str(each.url): each.text for each in answers if each.status_code not in {200, 303, 304, 404, 405}}
    assert not wrong


def test_what_is_read_of_a_query_is_known() -> None:
    assert {"at", "before", "handler", "key", "name", "status"} <= set(_PARAMETERS)


def test_a_handler_in_bytes_that_are_no_text_has_no_jobs(asked: tuple[ASGIApp, list[Route], bytes]) -> None:
    app, _, _ = asked
    # A lone surrogate in UTF-8, as no browser sends it.
    jobs, handler = ask(app, ("GET", "/jobs.json?handler=%ED%B3%BF"), ("GET", "/handlers.json?name=%ED%B3%BF"))
    assert (200, 200) == (jobs.status_code, handler.status_code)
    assert [] == jobs.json()["page"]["jobs"]["rows"] == handler.json()["page"]["one"]["jobs"]


def test_a_time_before_the_job_is_no_page(asked: tuple[ASGIApp, list[Route], bytes]) -> None:
    app, _, job = asked
    (answer,) = ask(app, ("GET", f"/jobs/{job.decode()}/moment?at=2000-01-01"))
    assert 404 == answer.status_code
    assert "did not exist yet" in answer.text
    assert "refresh" not in answer.headers
