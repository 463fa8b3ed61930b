"""The dashboard with roles that may do no more than they must: pages read as one, and acts are done as another."""

from collections.abc import Callable, Iterator

import pytest

from act_browser import ActBrowser, failed_job, written
from client import Client
from dashboards import FORM, ask, open_dashboard, page_addresses
from evtrack.interfaces.web.acts import ACTS
from evtrack.interfaces.web.security.act_gate import ActRights
from evtrack.storage.connection.connect import connect

pytestmark = pytest.mark.integration

AsRole = Callable[[str], str]


@pytest.fixture
def queue(roles_dsn: str) -> Iterator[Client]:
    """A session with the database that has roles, as its owner."""
    with connect(roles_dsn, purpose="test") as conn:
        yield Client(conn)


def test_a_reader_looks_and_a_producer_acts(queue: Client, as_role: AsRole) -> None:
    job = failed_job(queue, 2, items=2)
    app, site = open_dashboard(as_role("evtrack_reader"), acts=ActRights(as_role("evtrack_producer")))
    acting = ActBrowser(app)
    said = {
        "retry-items?key=key:2": "returned 1 item to the queue",
        "retry": "returned 2 batches to the queue",
        "suspend": "is suspended",
        "resume": "is resumed",
        "quarantine?key=key:4": "quarantined 1 item",
        "cancel": "is cancelled",
    }
    for act, words in said.items():
        assert f"{words}" in acting.press(f"/jobs/{job}/{act}").text, act
    assert "cancelled" == queue.phase(job)
    queue.check(job)
    site.close()


def test_looking_changes_nothing_and_a_reader_sees_every_page(queue: Client, as_role: AsRole, roles_dsn: str) -> None:
    job = failed_job(queue)
    before = written(queue)
    questions = [act.path.replace("{job_id}", str(job)).replace("{act_no}", "1") for act in ACTS]
    looks = [("GET", each) for each in (*page_addresses(job), *questions)]
    for dsn, acts in ((as_role("evtrack_reader"), None), (roles_dsn, None), (roles_dsn, ActRights(roles_dsn))):
        app, site = open_dashboard(dsn, acts=acts)
        answers = ask(app, *looks)
        pages, asked = answers[: -len(questions)], answers[-len(questions) :]
        # There is no worker 1.
        assert ["/workers/1"] == [page.url.path for page in pages if page.status_code != 200]
        assert ("may write" in pages[0].text) == (dsn == roles_dsn)
        if acts is None:
            forms = ask(app, *[("POST", each, {"headers": FORM}) for each in questions])
            assert {404} == {each.status_code for each in (*asked, *forms)}
        site.close()
    assert before == written(queue)


def test_acts_as_a_reader_change_nothing_and_say_which_role_is_missing(queue: Client, as_role: AsRole) -> None:
    job = failed_job(queue)
    app, site = open_dashboard(as_role("evtrack_reader"), acts=ActRights(as_role("evtrack_reader")))
    acting, before = ActBrowser(app), written(queue)
    for act in ("retry", "retry-items?key=key:1", "quarantine?key=key:1"):
        report = acting.report(acting.press(f"/jobs/{job}/{act}"))
        assert ("failed", 0) == (report["state"], report["changed"])
        assert "evtrack_producer" in report["error"]
    assert before == written(queue)
    site.close()
