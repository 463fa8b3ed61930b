"""What the dashboard may do is what its database role may do."""

from collections.abc import Callable

import pytest
from starlette.routing import Route

from dashboards import FORM, ask, open_dashboard, paths_of
from evtrack.domain.database_errors import PermissionDenied
from evtrack.interfaces.web.app import Door, dashboard_routes
from evtrack.interfaces.web.security.act_gate import ActRights
from evtrack.interfaces.web.security.host_login import NoLogin
from evtrack.interfaces.web.serving.dashboard import ServedDashboard, ServingOptions
from evtrack.storage.connection.connect import connect

pytestmark = pytest.mark.integration

_NEXT_XID = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
"""The number of the next transaction that writes: reading takes none."""

AsRole = Callable[[str], str]


def test_a_reader_may_see_every_page(as_role: AsRole) -> None:
    app, site = open_dashboard(as_role("evtrack_reader"))
    try:
        routes = dashboard_routes(site, Door(login=NoLogin()))
        reads = [("GET", path) for path in paths_of(routes) if not path.startswith(("/static", "/live"))]
        wrong = [
            f"{path}: {answer.status_code} {answer.text[-300:]}"
            for (_, path), answer in zip(reads, ask(app, *reads), strict=True)
            if answer.status_code not in {200, 303, 404, 405}
        ]
        assert [] == wrong
        assert "which may write" not in ask(app, ("GET", "/"))[0].text
    finally:
        site.close()


def test_whoever_connects_as_the_owner_changes_nothing_and_is_told(roles_dsn: str) -> None:
    app, site = open_dashboard(roles_dsn)
    try:
        plain = dashboard_routes(site, Door(login=NoLogin()))
        known = {each.path for each in plain if isinstance(each, Route)}
        every = dashboard_routes(site, Door(login=NoLogin(), acts=ActRights(roles_dsn)))
        acts = [each for each in every if isinstance(each, Route) and each.path not in known]
        with connect(roles_dsn, purpose="test") as conn:

            def is_unchanged() -> bool:
                before = conn.execute(_NEXT_XID).fetchone()
                tried = [("GET", path) for path in paths_of(plain) if not path.startswith("/live")]
                ask(app, *tried)
                refused = [(method, path, {"headers": FORM}) for path in paths_of(acts) for method in ("GET", "POST")]
                assert {404} >= {each.status_code for each in ask(app, *refused)}
                return before == conn.execute(_NEXT_XID).fetchone()

            # The server's other databases take numbers as well, now and then.
            assert any(is_unchanged() for _ in range(5))
        assert "which may write" in ask(app, ("GET", "/"))[0].text
    finally:
        site.close()


def test_a_strict_role_is_a_reader_alone(as_role: AsRole, roles_dsn: str) -> None:
    options = ServingOptions(port=0, strict_role=True)
    served = ServedDashboard(as_role("evtrack_reader"), options)
    served.close()
    for dsn in (roles_dsn, as_role("evtrack_producer"), as_role("evtrack_worker"), as_role("everything")):
        with pytest.raises(PermissionDenied, match="may do more than read"):
            ServedDashboard(dsn, options)


def test_acts_need_a_producer(as_role: AsRole) -> None:
    reader = as_role("evtrack_reader")
    with pytest.raises(PermissionDenied):
        ServedDashboard(reader, ServingOptions(port=0, act_as=reader))
    ServedDashboard(reader, ServingOptions(port=0, act_as=as_role("evtrack_producer"))).close()
