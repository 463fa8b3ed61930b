"""Each page with an empty and with a filled database, as HTML and as JSON; every row of a list is reached."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.types import ASGIApp

from client import Client
from dashboards import ask, open_dashboard
from evtrack.interfaces.web.endpoints import json_path
from evtrack.interfaces.web.pages import alerts, crashes, items, proof, workers
from evtrack.storage.connection.connect import connect
from evtrack.storage.reports import verifications

pytestmark = pytest.mark.integration

Get = Callable[..., Any]

EMPTY = {
    "/crashes": ("No attempt has ended in the last 14 days", "evtrack submit SOURCE --handler NAME"),
    "/crashes?handler=x&cause=signal&day=2026-11-24&before=1764500000000000-3-4": ("No such crash.",),
    "/items": ("Enter the key of an item",),
    "/items?key=nobody": ("No item has this key.", "evtrack items JOB"),
    "/items?key=nobody&job=3&before=9&after=4": ("No item of job 3 has this key.",),
    "/handlers": ("No job and no worker has named a handler.", "evtrack run SOURCE"),
    "/handlers?name=nobody": ("No live worker offers this handler.", "No job has this handler."),
    "/workers": ("No live worker.", "evtrack work --import MODULE"),
    "/workers?all=yes": ("No worker has ever been started.",),
    "/alerts": ("No alert has been raised.", "evtrack watch"),
    "/alerts?kind=item_poisoned&undelivered=yes&before=9": ("No such alert.", "Show all"),
    "/proof": ("There is no job yet.", "evtrack verify"),
    "/storage": ("No job was dropped.", "evtrack cleanup"),
    "/doctor": ("No check-up has been run here yet.", "evtrack doctor"),
    "/help": ("Keys", "not proved"),
}


@pytest.fixture(scope="module")
def empty(shared_dsn: str) -> Iterator[ASGIApp]:
    """A dashboard of a database in which nothing has happened."""
    app, site = open_dashboard(shared_dsn)
    yield app
    site.close()


@pytest.fixture
def app(dsn: str) -> Iterator[ASGIApp]:
    """A dashboard of this test's own database."""
    app, site = open_dashboard(dsn)
    yield app
    site.close()


@pytest.fixture
def get(app: ASGIApp) -> Get:
    """Ask for a page, as HTML or as JSON."""

    def got(path: str, *, code: int = 200, as_json: bool = False, **query: Any) -> Any:
        address = (json_path(path) if as_json else path) + (f"?{urlencode(query)}" if query else "")
        (answer,) = ask(app, ("GET", address))
        assert code == answer.status_code, answer.text
        return answer.json()["page"] if as_json else answer.text

    return got


def _poison(client: Client, worker: int, job: int) -> None:
    """Let the second item of a batch of three crash until it is poison."""
    for _ in range(9):
        claims = client.claim(worker, job)
        if not claims:
            return
        for claim in claims:
            ordinals = client.batch(job, claim.batch_no).ordinals
            if 2 in ordinals:
                facts = {"cause": "signal", "signal": "SIGSEGV", "item_key": "key:2", "ordinal": 2, "run_s": 0.5}
                client.crash(worker, [claim], **facts, peak_rss_bytes=2**20)
            else:
                client.complete(worker, [claim])


@pytest.mark.parametrize("address", EMPTY)
def test_an_empty_page_says_what_to_run(empty: ASGIApp, address: str) -> None:
    path, mark, query = address.partition("?")
    page, document = ask(empty, ("GET", address), ("GET", f"{json_path(path)}{mark}{query}"))
    assert (200, 200) == (page.status_code, document.status_code)
    assert [] == [words for words in EMPTY[address] if words not in page.text]
    assert int(page.headers["server-timing"].split('desc="')[1].split('"')[0]) <= 8
    assert {"session", "page"} <= set(document.json())


@pytest.mark.parametrize(
    "address",
    [
        "/crashes?cause=boredom", "/crashes?day=tomorrow", "/crashes?before=1-2", "/crashes?day=9999-12-31",
        "/crashes?before=1-2-3-4", "/crashes?before=a-b-c", f"/crashes?before={2**62}-1-1", "/items?key=%00",
        "/items?key=a&job=-1", "/workers?all=maybe", "/workers/x", "/workers/0", "/alerts?kind=party",
        "/proof?before=9e9", "/storage?before=x", "/doctor?run=always", "/proof?job=4711", "/workers/4711",
    ],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_not_found(empty: ASGIApp, address: str) -> None:
    path, mark, query = address.partition("?")
    answers = ask(empty, ("GET", address), ("GET", f"{path}.json{mark}{query}"))
    assert [404, 404] == [each.status_code for each in answers]


def test_crashes_are_on_the_map_and_in_the_list(queue: Client, get: Get) -> None:
    job, worker = queue.job(1, items=3, max_crashes=2), queue.worker()
    _poison(queue, worker, job)
    page = get("/crashes", as_json=True)
    (row,) = page["map"]["rows"]
    today, before = row["cells"][-1], row["cells"][-2]
    assert ("scripted", 2, 5) == (row["handler"], today["crashed"], today["shade"])
    assert (0, None) == (before["attempts"], before["rate_pct"])
    assert ["key:2", "key:2"] == [crash["item_key"] for crash in page["crashes"]]
    html = get("/crashes")
    assert f'href="/crashes?handler=scripted&amp;day={page["map"]["days"][-1]}"' in html
    assert html.count('aria-label="no attempts"') == 13
    assert len(get("/crashes", as_json=True, handler="scripted", day=page["map"]["days"][-1])["crashes"]) == 2
    for other in ({"handler": "other"}, {"cause": "timeout"}, {"day": page["map"]["days"][-2]}):
        assert [] == get("/crashes", as_json=True, **other)["crashes"]


def test_every_crash_is_reached_page_by_page(queue: Client, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    job, worker = queue.job(5), queue.worker()
    queue.crash(worker, queue.claim(worker, job))
    monkeypatch.setattr(crashes, "_PAGE", 2)
    found, before = [], {}
    for _ in range(3):
        page = get("/crashes", as_json=True, **before)
        found += [crash["batch_no"] for crash in page["crashes"]]
        before = {"before": page["older"]}
    assert page["older"] is None
    assert {1, 2, 3, 4, 5} == set(found)
    assert 5 == len(found)


def test_an_item_has_a_biography_over_all_jobs(queue: Client, get: Get) -> None:
    worker = queue.worker()
    jobs = [queue.job(1, items=3, max_crashes=2) for _ in range(3)]
    queue.complete(worker, queue.claim(worker, jobs[0]))
    _poison(queue, worker, jobs[1])
    page = get("/items", as_json=True, key="key:2")
    pending, poison, done = jobs[::-1]
    assert [f"pending in job {pending}", f"poison in job {poison}", f"done in job {done}"] == page["summary"]
    assert [1, 2] == page["lives"][1]["place"]["path"]
    assert [poison, poison] == [crash["job_id"] for crash in page["crashes"]]
    html = get("/items", key="key:2")
    assert f"Pending in job {pending}, poison in job {poison}, done in job {done}." in html
    assert f'<a href="/jobs/{poison}/batches/2">2</a>' in html
    assert ["done in job " + str(done)] == get("/items", as_json=True, key="key:2", job=done)["summary"]


def test_every_life_of_an_item_is_reached_page_by_page(
    queue: Client, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [queue.job() for _ in range(5)]
    monkeypatch.setattr(items, "_PAGE", 2)
    found, last = [], {}
    for _ in range(3):
        page = get("/items", as_json=True, key="key:1", **last)
        found += [life["place"]["job_id"] for life in page["lives"]]
        last = {"before": page["lives"][-1]["place"]["job_id"], "after": page["lives"][-1]["place"]["ordinal"]}
    assert not page["has_older"]
    assert jobs[::-1] == found


def test_handlers_are_those_of_jobs_and_of_workers(queue: Client, get: Get) -> None:
    job, _ = queue.job(2, items=3), queue.worker("scripted", "idle")
    lines = {line["sums"]["handler"]: line for line in get("/handlers", as_json=True)["handlers"]}
    assert (6, 1, 2) == (lines["scripted"]["sums"]["pending"], lines["scripted"]["workers"], lines["scripted"]["slots"])
    assert (0, 1) == (lines["idle"]["sums"]["jobs"], lines["idle"]["workers"])
    one = get("/handlers", as_json=True, name="scripted")["one"]
    assert [job] == [each["job_id"] for each in one["jobs"]]
    assert ["test"] == [each["name"] for each in one["workers"]]
    assert "Handler <bdi>scripted</bdi>" in get("/handlers", name="scripted")


def test_workers_are_listed_with_their_slots_and_each_has_a_page(
    queue: Client, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {queue.worker() for _ in range(5)}
    assert ids == {each["worker_id"] for each in get("/workers", as_json=True)["workers"]}
    assert get("/workers").count('aria-label="0 of 2 slots busy"') == 5
    monkeypatch.setattr(workers, "_PAGE", 2)
    found, before = [], {}
    for _ in range(3):
        page = get("/workers", as_json=True, all="yes", **before)
        found += [each["worker_id"] for each in page["workers"]]
        before = {"before": page["older"]}
    assert page["older"] is None
    assert sorted(ids, reverse=True) == found
    assert "0 of 2 busy" in get(f"/workers/{found[0]}")


def test_a_lost_worker_has_a_page_of_what_it_held(queue: Client, get: Get) -> None:
    job, dead, other = queue.job(2), queue.worker(), queue.worker()
    queue.claim(dead, job)
    queue.run_steadily()
    queue.conn.execute("UPDATE evtrack.worker SET seen_at = now() - interval '1 hour' WHERE worker_id = %s", [dead])
    queue.conn.execute("SELECT evtrack.reap()")
    page = get("/workers", as_json=True)
    assert [other] == [each["worker_id"] for each in page["workers"]]
    assert [dead] == [each["worker_id"] for each in page["lost"]]
    one = get(f"/workers/{dead}", as_json=True)
    assert (2, 1) == (one["lost"]["batches"], one["lost"]["others"])
    assert "It held 2 batches" in get(f"/workers/{dead}")


def test_alerts_are_filtered_and_reached_page_by_page(queue: Client, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    job, worker = queue.job(1, items=3, max_crashes=2), queue.worker()
    _poison(queue, worker, job)
    queue.conn.execute("SELECT evtrack.finish_due(%s)", [job])
    page = get("/alerts", as_json=True)
    kinds = [each["alert"]["kind"] for each in page["alerts"]]
    assert {"item_poisoned", "job_finished_with_errors"} == set(kinds)
    assert (2, page["alerts"][-1]["next"]) == (page["undelivered"], f"evtrack show {job} 2")
    assert ["item key", "signal"] == [name for name, _ in page["alerts"][-1]["facts"]][:2]
    assert f'<a href="/jobs/{job}/batches/2">{job}/2</a>' in get("/alerts")
    assert 1 == len(get("/alerts", as_json=True, kind="item_poisoned", undelivered="yes")["alerts"])
    queue.conn.execute("UPDATE evtrack.alert SET delivered_at = now(), delivered_by = 'w' WHERE kind = 'item_poisoned'")
    assert [] == get("/alerts", as_json=True, kind="item_poisoned", undelivered="yes")["alerts"]
    monkeypatch.setattr(alerts, "_PAGE", 1)
    first = get("/alerts", as_json=True)
    rest = get("/alerts", as_json=True, before=first["older"])
    assert kinds == [each["alert"]["kind"] for each in first["alerts"] + rest["alerts"]]
    assert rest["older"] is None


def test_jobs_have_the_badge_of_their_verification(
    queue: Client, get: Get, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = queue.worker()
    whole, unproved, still_open = (queue.job() for _ in range(3))
    for job in (whole, unproved):
        queue.complete(worker, queue.claim(worker, job))
        queue.conn.execute("SELECT evtrack.finish_due(%s)", [job])
    with connect(dsn, purpose="test") as conn:
        version = verifications.job_version(conn, whole)
        verifications.record_verification(conn, whole, version=version, events=5, found=0, damaged=False, first=[])
    page = get("/proof", as_json=True)
    badges = {job["job_id"]: job["badge"] for job in page["jobs"]}
    assert {whole: "whole", unproved: "not proved", still_open: "open"} == badges
    html = get("/proof", job=whole)
    assert '<span class="badge good">whole</span>' in html
    assert f"<code>{page['jobs'][-1]['latest']['digest']}</code>" in html
    assert f"evtrack verify {whole}" in html
    monkeypatch.setattr(proof, "_PAGE", 2)
    first = get("/proof", as_json=True)
    rest = get("/proof", as_json=True, before=first["older"])
    assert [still_open, unproved, whole] == [job["job_id"] for job in first["jobs"] + rest["jobs"]]


def test_storage_names_the_job_that_keeps_a_day(queue: Client, get: Get) -> None:
    job = queue.job()
    page = get("/storage", as_json=True)
    assert (1, 1, job) == (page["days"][0]["jobs"], page["days"][0]["unfinished"], page["days"][0]["pinned_by"])
    assert page["bytes"] == sum(table["total_bytes"] for table in page["tables"])
    assert f'job <a href="/jobs/{job}">{job}</a>, which has not ended' in get("/storage")


def test_a_check_up_is_run_when_somebody_asks(get: Get) -> None:
    found = get("/doctor", as_json=True, run="yes")
    assert {"server", "schema", "partitions", "queue"} <= {each["check"] for each in found["findings"]}
    assert "canary" not in {each["check"] for each in found["findings"]}
    assert found["at"] == get("/doctor", as_json=True, run="yes")["at"] == get("/doctor", as_json=True)["at"]
    assert "Checked at" in get("/doctor")


def test_a_key_may_be_made_of_anything(queue: Client, get: Get) -> None:
    key = "a/../b?c#d&e=%00<b>\u202e"
    queue.conn.execute("SELECT evtrack.enqueue('scripted', %s, %s)", [[key], ["{}"]])
    assert [key] == [life["place"]["item_key"] for life in get("/items", as_json=True, key=key)["lives"]]
    assert "<b>" not in get("/items", key=key)
