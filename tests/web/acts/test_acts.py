"""Each act: its page says what it would touch, its form does it once, and the page after says what happened."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from act_browser import ActBrowser, failed_job, written
from client import Client
from dashboards import HOST, open_dashboard, paths_of
from evtrack.interfaces.web.acts import ACTS
from evtrack.interfaces.web.app import Door, dashboard_routes, site_of
from evtrack.interfaces.web.security.act_gate import ActRights
from evtrack.interfaces.web.security.host_login import HostLogin, NoLogin
from evtrack.runtime.acts import act_runner

pytestmark = pytest.mark.integration

ADDRESSES = [act.path.replace("{job_id}", "1").replace("{act_no}", "1") for act in ACTS]


@pytest.fixture
def looking(dsn: str) -> Iterator[ActBrowser]:
    """A browser of a dashboard that only shows, although its role may write."""
    app, site = open_dashboard(dsn)
    yield ActBrowser(app)
    site.close()


@pytest.fixture
def of_ann(dsn: str) -> Iterator[ActBrowser]:
    """A browser of somebody else than Ann, who alone may act."""
    login = HostLogin(lambda request: request.headers.get("x-test-user"))
    app, site = open_dashboard(dsn, login=login, acts=ActRights(dsn, lambda user: user == "ann"))
    yield ActBrowser(app, **{"x-test-user": "bob"})
    site.close()


def test_without_act_as_the_addresses_do_not_exist(queue: Client, looking: ActBrowser) -> None:
    job = failed_job(queue)
    before = written(queue)
    for address in (*ADDRESSES, "/acts/1", "/acts/1.json"):
        assert [404, 404] == [looking.get(address).status_code, looking.post(address).status_code]
    assert 404 == looking.get("/live?page=/acts/1").status_code
    assert f"/jobs/{job}/retry" not in looking.get(f"/jobs/{job}").text
    assert before == written(queue)


def test_who_may_not_act_is_refused_on_the_page_and_on_the_form(queue: Client, of_ann: ActBrowser) -> None:
    job = failed_job(queue)
    for address in ADDRESSES:
        assert [403, 403] == [of_ann.get(address).status_code, of_ann.post(address).status_code]
    assert ["finished"] == [queue.phase(job)]


def test_a_page_of_an_act_changes_nothing(queue: Client, acting: ActBrowser) -> None:
    job = failed_job(queue, 2)
    before = written(queue)
    for act in ("suspend", "resume", "cancel", "retry", "retry-items?key=key:1", "quarantine?key=key:1"):
        assert 200 == acting.get(f"/jobs/{job}/{act}").status_code
    assert before == written(queue)


def test_suspend_and_resume(queue: Client, acting: ActBrowser) -> None:
    job = queue.job(12)
    page = acting.get(f"/jobs/{job}/suspend")
    assert "It touches 12 batches." in page.text
    assert f"evtrack suspend {job}" in page.text
    assert 10 == page.text.count(f'href="/jobs/{job}/batches/')
    done = acting.press(f"/jobs/{job}/suspend")
    assert f"Job {job} is suspended" in done.text
    again = acting.get(f"/jobs/{job}/suspend")
    assert ([], True) == (acting.forms(again), f"Job {job} was already suspended." in again.text)
    assert done.url == acting.follow(acting.post(f"/jobs/{job}/suspend")).url
    assert [] == queue.claim(queue.worker(), job)
    assert f"Job {job} is resumed." in acting.press(f"/jobs/{job}/resume").text
    assert 12 == len(queue.claim(queue.worker(), job))


def test_cancel(queue: Client, acting: ActBrowser) -> None:
    job, worker = queue.job(3), queue.worker()
    queue.claim(worker, job, fresh=1)
    assert "1 running batch will finish" in acting.get(f"/jobs/{job}/cancel").text
    done = acting.press(f"/jobs/{job}/cancel")
    assert f"Job {job} is cancelled" in done.text
    assert "cancelled" == queue.phase(job)
    assert done.url == acting.follow(acting.post(f"/jobs/{job}/cancel")).url
    assert "cannot be retried" in acting.get(f"/jobs/{job}/retry").text


def test_retry_once(queue: Client, acting: ActBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    job = failed_job(queue, 3)
    page = acting.get(f"/jobs/{job}/retry")
    assert "It touches 3 batches." in page.text
    with capture_logs() as lines:
        done = acting.press(f"/jobs/{job}/retry")
    assert f"Job {job}: returned 3 batches to the queue." in done.text
    assert (3, 0) == (queue.sums(job)["pending"][0], queue.sums(job)["failed"][0])
    assert done.url == acting.follow(acting.post(f"/jobs/{job}/retry")).url, "who presses twice sees what happened"
    monkeypatch.setattr(act_runner, "_RECENT_S", 0.0)
    again = acting.post(f"/jobs/{job}/retry")
    assert (409, True) == (again.status_code, "has no failed or crashed batches to retry" in again.text)
    assert ["enqueued", "started", "failed", "requeued"] == queue.types(job)
    (line,) = [each for each in lines if each["event"] == "web_act"]
    assert ("retry", job, "done", 3) == (line["act"], line["job_id"], line["outcome"], line["batches"])
    assert {"user", "peer"} <= line.keys()


def test_retry_one_batch_or_one_status(queue: Client, acting: ActBrowser) -> None:
    job, worker = queue.job(3, max_errors=1, max_crashes=1), queue.worker()
    claims = queue.claim(worker, job)
    queue.fail(worker, claims[:2])
    queue.crash(worker, claims[2:])
    assert f"evtrack retry {job} --batch 2" in acting.get(f"/jobs/{job}/retry?batch=2").text
    acting.press(f"/jobs/{job}/retry?batch=2")
    assert ["failed", "pending"] == [str(queue.batch(job, number).status) for number in (1, 2)]
    assert "there is nothing to retry" in acting.get(f"/jobs/{job}/retry?batch=2").text
    assert "It touches 1 batch." in acting.get(f"/jobs/{job}/retry?status=crashed").text
    acting.press(f"/jobs/{job}/retry?status=crashed")
    assert ["failed", "pending"] == [str(queue.batch(job, number).status) for number in (1, 3)]
    assert 404 == acting.get(f"/jobs/{job}/retry?status=completed").status_code
    assert 404 == acting.get(f"/jobs/{job}/retry?batch=99").status_code


def test_retry_and_quarantine_an_item(queue: Client, acting: ActBrowser) -> None:
    job = failed_job(queue, 2, items=3)
    assert "It touches 1 item." in acting.get(f"/jobs/{job}/retry-items?key=key:2").text
    assert f"Job {job}: returned 1 item to the queue." in acting.press(f"/jobs/{job}/retry-items?key=key:2").text
    assert "Nothing to retry: the item is already pending." in acting.get(f"/jobs/{job}/retry-items?key=key:2").text
    done = acting.press(f"/jobs/{job}/quarantine?key=key:5")
    assert f"Job {job}: quarantined 1 item." in done.text
    queue.check(job)
    assert {"pending": (1, 1), "cancelled": (1, 1)} == {
        status: found for status, found in queue.sums(job).items() if status in {"pending", "cancelled"}
    }
    assert "has no item with this key" in acting.get(f"/jobs/{job}/quarantine?key=nobody").text
    assert [404, 404] == [acting.get(f"/jobs/{job}/{act}").status_code for act in ("retry-items", "quarantine")]


def test_a_job_that_does_not_exist(acting: ActBrowser) -> None:
    for act in ("suspend", "resume", "cancel", "retry", "retry-items?key=a", "quarantine?key=a"):
        assert [404, 404] == [acting.get(f"/jobs/4711/{act}").status_code, acting.post(f"/jobs/4711/{act}").status_code]
    assert [404, 404, 404] == [acting.get(f"/acts/1{end}").status_code for end in ("", ".json", "?a=b")]
    assert [303, 404] == [acting.get("/acts/1/stop").status_code, acting.post("/acts/1/stop").status_code]


def test_an_act_that_the_database_refuses_says_why(queue: Client, dsn: str) -> None:
    job = failed_job(queue)
    app, site = open_dashboard(dsn, acts=ActRights("host=127.0.0.1 port=1 connect_timeout=1"))
    acting = ActBrowser(app)
    with capture_logs() as lines:
        page = acting.press(f"/jobs/{job}/retry")
    site.close()
    report = acting.report(page)
    assert ("failed", 0, "") == (report["state"], report["changed"], report["result"])
    assert "Failed." in page.text
    assert "port 1" in report["error"]
    assert ["failed"] == [line["outcome"] for line in lines if line["event"] == "web_act"]
    assert "finished" == queue.phase(job)


def test_acts_take_forms_at_their_own_addresses_only(dsn: str) -> None:
    site = site_of(dsn)
    door = Door(login=NoLogin(), hosts=frozenset([HOST]), acts=ActRights(dsn))
    routes = dashboard_routes(site, door)
    taking = {path for path, route in zip(paths_of(routes), routes, strict=True) if "POST" in (route.methods or ())}  # type: ignore[attr-defined]
    assert {"/settings", *ADDRESSES} == taking
    site.close()


def test_pages_offer_acts_to_those_who_may(queue: Client, acting: ActBrowser, looking: ActBrowser) -> None:
    job = failed_job(queue)
    offered = {
        f"/jobs/{job}": [f"/jobs/{job}/retry"],
        f"/jobs/{job}/batches/1": [f"/jobs/{job}/retry?batch=1"],
        "/items?key=key:1": [f"/jobs/{job}/retry-items?key=key%3A1", f"/jobs/{job}/quarantine?key=key%3A1"],
    }
    for address, acts in offered.items():
        for act in acts:
            assert f'href="{act}"' in acting.get(address).text
            assert 200 == acting.get(act).status_code
            assert act not in looking.get(address).text
