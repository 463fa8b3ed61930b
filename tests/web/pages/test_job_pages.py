"""The pages of jobs and batches say the same as the log, in few statements."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from client import Client
from dashboards import ask, open_dashboard

pytestmark = pytest.mark.integration

MOST_STATEMENTS = 8


@pytest.fixture
def get(dsn: str) -> Iterator[Callable[[str], httpx.Response]]:
    """Ask a dashboard of this test's own database for a page."""
    app, site = open_dashboard(dsn)

    def page(address: str) -> httpx.Response:
        (answer,) = ask(app, ("GET", address))
        assert answer.status_code == 200, answer.text
        assert int(answer.headers["server-timing"].split('desc="')[1].rstrip('"')) <= MOST_STATEMENTS
        return answer

    yield page
    site.close()


Get = Callable[[str], httpx.Response]


@pytest.fixture
def job(own_client: Client) -> int:
    """A job in which batch 1 is done, 2 failed, 3 crashed and returned, and 4 is pending."""
    number, worker = own_client.job(4, items=5, max_errors=1, backoff_s=0), own_client.worker()
    done, failed, crashed = own_client.claim(worker, number, fresh=3)
    own_client.complete(worker, [done])
    own_client.fail(worker, [failed], {"type": "ValueError", "message": "no <b>page</b> 7"})
    own_client.crash(worker, [crashed], cause="signal", signal="SIGSEGV", item_key="key:12", ordinal=12)
    return number


def test_the_page_of_a_job_adds_up(get: Get, job: int) -> None:
    page = get(f"/jobs/{job}.json").json()["page"]
    items = page["progress"]
    parts = ("done", "failed", "crashed", "cancelled", "invalid", "pending", "running")
    assert items["total"] == sum(items[part] for part in parts) == 20
    batches = {name: number for name, number in items.items() if name.startswith("batches_")}
    assert items["batches"] == sum(batches.values())
    assert page["why"].startswith(f"{items['batches_pending']} batch")
    assert [(cause["signal"], cause["crashes"]) for cause in page["causes"]] == [("SIGSEGV", 1)]
    assert [(kind["type"], kind["failures"]) for kind in page["errors"]["kinds"]] == [("ValueError", 1)]
    assert [hunt["root_no"] for hunt in page["hunts"]] == [3]
    assert page["steps"]
    assert {batch["batch_no"] for batch in page["slowest"]} <= {1, 2, 3}


def test_the_page_of_a_job_names_its_parts(get: Get, job: int) -> None:
    html = get(f"/jobs/{job}").text
    assert "no &lt;b&gt;page&lt;/b&gt; 7" in html
    assert "Why it waits:" in html
    assert f'href="/jobs/{job}/batches?status=failed"' in html
    assert f'data-copy="evtrack show {job} 3"' in html
    assert ">Suspend…<" not in html  # nobody may act


def test_a_moment_of_a_job_is_the_fold_of_its_events(get: Get, own_client: Client, job: int) -> None:
    now = own_client.one("SELECT now()")
    then = get(f"/jobs/{job}/moment.json?at={now:%Y-%m-%dT%H:%M:%S.%fZ}").json()["page"]["then"]
    progress = get(f"/jobs/{job}.json").json()["page"]["progress"]
    assert {name: then[name] for name in ("done", "failed", "pending", "total")} == {
        name: progress[name] for name in ("done", "failed", "pending", "total")
    }


def test_jobs_are_paged_by_number(get: Get, own_client: Client) -> None:
    numbers = [own_client.job() for _ in range(52)]
    first = get("/jobs.json").json()["page"]["jobs"]
    assert [row["job_id"] for row in first["rows"]] == numbers[:1:-1]
    rest = get(f"/jobs.json?before={first['next']}").json()["page"]["jobs"]
    assert [row["job_id"] for row in rest["rows"]] == numbers[1::-1]
    assert rest["next"] is None
    assert "Newest" in get(f"/jobs?before={first['next']}").text
    assert get("/jobs.json?phase=cancelled").json()["page"]["jobs"]["rows"] == []


def test_batches_are_paged_by_number_and_status(get: Get, own_client: Client) -> None:
    job = own_client.job(60)
    worker = own_client.worker()
    own_client.complete(worker, own_client.claim(worker, job, fresh=2))
    first: dict[str, Any] = get(f"/jobs/{job}/batches.json").json()["page"]["batches"]
    assert [row["batch_no"] for row in first["rows"]] == list(range(1, 51))
    rest = get(f"/jobs/{job}/batches.json?after={first['next']}").json()["page"]["batches"]
    assert [row["batch_no"] for row in rest["rows"]] == list(range(51, 61))
    done = get(f"/jobs/{job}/batches.json?status=completed").json()["page"]["batches"]
    assert [row["batch_no"] for row in done["rows"]] == [1, 2]
    assert "No cancelled batch" in get(f"/jobs/{job}/batches?status=cancelled").text


def test_a_job_that_is_not_there_is_not_found(dsn: str) -> None:
    app, site = open_dashboard(dsn)
    answers = ask(app, ("GET", "/jobs/7"), ("GET", "/jobs/7/batches"), ("GET", "/jobs/7/moment?at=2026-01-01"))
    site.close()
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert "There is no job 7." in answers[0].text
