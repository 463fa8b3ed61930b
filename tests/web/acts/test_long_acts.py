"""An act on many batches: typed, in chunks, in the background, stopped at a chunk, and safe to press twice."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from act_browser import ActBrowser, failed_job
from client import Client
from dashboards import open_dashboard
from evtrack.interfaces.web.acts import job_kinds, kinds
from evtrack.interfaces.web.security.act_gate import ActRights
from evtrack.interfaces.web.security.host_login import HostLogin
from evtrack.storage.queue import job_control
from polling import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three batches be a chunk, and more than six be many."""
    monkeypatch.setattr(kinds, "CHUNK", 3)
    monkeypatch.setattr(job_kinds, "CHUNK", 3)
    monkeypatch.setattr(kinds, "TYPED_ABOVE", 6)


class Gate:
    """Holds each chunk until it is let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived, self._may_pass = threading.Semaphore(0), threading.Semaphore(0)
        self.chunks: list[int] = []
        monkeypatch.setattr(job_kinds, "retry_job", self._retry)

    def _retry(self, *args: Any, **named: Any) -> int:
        self.arrived.release()
        assert self._may_pass.acquire(timeout=20)
        retried = job_control.retry_job(*args, **named)
        self.chunks.append(retried)
        return retried

    def wait(self) -> None:
        """Wait for the next chunk."""
        assert self.arrived.acquire(timeout=20)

    def open(self, chunks: int = 1) -> None:
        """Let chunks through."""
        self._may_pass.release(chunks)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate before each chunk, which opens at the end."""
    made = Gate(monkeypatch)
    yield made
    made.open(100)


def ended(acting: ActBrowser, page: Any) -> dict[str, Any]:
    """Wait for the end of an act, and return its report."""
    return eventually(lambda: (found := acting.report(page))["ended_at"] and found)


def test_above_a_thousand_batches_the_number_is_typed_and_chunks_are_transactions(
    queue: Client, acting: ActBrowser
) -> None:
    job = failed_job(queue, 1_100)
    page = acting.get(f"/jobs/{job}/retry")
    assert "It touches 1,100 batches." in page.text
    assert ["number"] == [name for form in acting.forms(page) for name in form.fields]
    for typed in ("", "0", f"{job}0", f"+{job}", f"{job}.0"):
        refused = acting.post(f"/jobs/{job}/retry", number=typed)
        assert (422, True) == (refused.status_code, f"the number of the job is {job}" in refused.text)
    assert 1_100 == queue.sums(job)["failed"][0]
    report = ended(acting, acting.press(f"/jobs/{job}/retry", number=str(job)))
    assert ("done", 1_100, 1_100) == (report["state"], report["changed"], report["expected"])
    assert f"Job {job}: returned 1,100 batches to the queue." == report["result"]
    chunks = queue.rows(
        "SELECT count(*) AS events FROM evtrack.event WHERE job_id = %s AND type = 'requeued' GROUP BY xid", job
    )
    assert [100, 500, 500] == sorted(chunk["events"] for chunk in chunks)
    assert 1_100 == queue.sums(job)["pending"][0]
    assert "evtrack-acts" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("small_chunks")
def test_a_second_press_finds_the_first(queue: Client, acting: ActBrowser, gate: Gate) -> None:
    job = failed_job(queue, 5)
    first = acting.press(f"/jobs/{job}/retry")
    gate.wait()
    second = acting.press(f"/jobs/{job}/retry")
    assert first.url == second.url
    gate.open(5)
    assert 5 == ended(acting, first)["changed"]
    assert 1 == len([event for event in queue.events(job, 1) if event.type == "requeued"])
    assert first.url == acting.follow(acting.post(f"/jobs/{job}/retry")).url


@pytest.mark.usefixtures("small_chunks")
def test_what_is_retried_is_not_retried_again_by_another_act(queue: Client, acting: ActBrowser, gate: Gate) -> None:
    job = failed_job(queue, 6)
    long = acting.press(f"/jobs/{job}/retry")
    gate.wait()
    # Somebody else was faster, for some of them.
    assert 2 == job_control.retry_job(queue.conn, job, statuses=["failed"], batch_nos=[2, 5])
    gate.open(5)
    assert 4 == ended(acting, long)["changed"]
    assert [1] * 6 == [sum(e.type == "requeued" for e in queue.events(job, number)) for number in range(1, 7)]


@pytest.mark.usefixtures("small_chunks")
def test_stop_ends_at_a_chunk_and_a_press_goes_on(queue: Client, acting: ActBrowser, gate: Gate) -> None:
    job = failed_job(queue, 9)
    page = acting.press(f"/jobs/{job}/retry", number=str(job))
    gate.wait()
    (form,) = acting.forms(acting.get(page.url.path))
    assert "Stop" == form.button.strip()
    with capture_logs() as lines:
        stopping = acting.follow(acting.post(form.action))
        assert "Stops after the transaction that is under way" in stopping.text
        assert [] == acting.forms(stopping)
        gate.open()
        report = ended(acting, page)
    assert ("stopped", 3, f"Job {job}: returned 3 batches to the queue.") == (
        report["state"],
        report["changed"],
        report["result"],
    )
    assert (3, 6) == (queue.sums(job)["pending"][0], queue.sums(job)["failed"][0])
    outcomes = [(line["act"], line.get("outcome")) for line in lines if line["event"] == "web_act"]
    assert [("stop", None), ("retry", "stopped")] == outcomes
    gate.open(9)
    assert 6 == ended(acting, acting.press(f"/jobs/{job}/retry"))["changed"]
    assert 9 == queue.sums(job)["pending"][0]


def _region_with(text: str, acting: ActBrowser, topic: str) -> str:
    region = str(acting.get(topic).json()["regions"]["act"])
    return region if text in region else ""


@pytest.mark.usefixtures("small_chunks")
def test_progress_is_a_live_topic(queue: Client, acting: ActBrowser, gate: Gate) -> None:
    job = failed_job(queue, 5)
    page = acting.press(f"/jobs/{job}/retry")
    assert f'data-live="/live?page={page.url.path.replace("/", "%2F")}"' in page.text
    gate.wait()

    def region() -> str:
        shown: str = acting.get(f"/live?page={page.url.path}").json()["regions"]["act"]
        return shown

    assert "0 of 5 batches" in region()
    gate.open()
    gate.wait()
    # Those who poll share what was read, for a moment.
    eventually(lambda: "3 of 5 batches" in (shown := region()) and 'aria-label="3 done of 5"' in shown)
    assert "ended" not in region()
    gate.open(3)
    ended(acting, page)
    eventually(lambda: "ended" in region())
    assert [] == acting.forms(acting.get(page.url.path))


@pytest.mark.usefixtures("small_chunks")
def test_one_act_connection_named_after_its_user_which_goes_with_the_act(queue: Client, dsn: str, gate: Gate) -> None:
    job = failed_job(queue, 5)
    name = "ann o'hara =\\ x"
    login = HostLogin(lambda request: request.headers["x-test-user"])
    app, site = open_dashboard(dsn, login=login, acts=ActRights(dsn))
    acting = ActBrowser(app, **{"x-test-user": name})

    def acts() -> list[str]:
        names = queue.rows(
            "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'evtrack web ann%%'"
        )
        return [row["application_name"] for row in names]

    page = acting.press(f"/jobs/{job}/retry")
    gate.wait()
    assert [f"evtrack web {name}"] == acts()
    assert name == acting.report(page)["user"]
    gate.open(9)
    ended(acting, page)
    eventually(lambda: acts() == [])
    site.close()


@pytest.mark.usefixtures("small_chunks")
def test_closing_the_dashboard_stops_at_the_chunk(queue: Client, dsn: str, gate: Gate) -> None:
    job = failed_job(queue, 6)
    app, site = open_dashboard(dsn, acts=ActRights(dsn))
    acting = ActBrowser(app)
    page = acting.press(f"/jobs/{job}/retry")
    gate.wait()
    closing = threading.Thread(target=site.acts.close)
    closing.start()
    eventually(lambda: acting.report(page)["state"] == "stopping")
    gate.open()
    closing.join(10)
    assert not closing.is_alive()
    assert "stopped" == acting.report(page)["state"]
    assert (3, 3) == (queue.sums(job)["pending"][0], queue.sums(job)["failed"][0])
    assert 503 == acting.post(f"/jobs/{job}/retry").status_code
    site.close()


@pytest.mark.usefixtures("small_chunks")
def test_a_lost_connection_is_told_and_the_next_press_does_the_rest(
    queue: Client, acting: ActBrowser, gate: Gate
) -> None:
    job = failed_job(queue, 6)
    page = acting.press(f"/jobs/{job}/retry")
    gate.wait()
    gate.open()
    gate.wait()
    queue.one(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'evtrack web' AND query LIKE '%%batch_numbers%%'"
    )
    gate.open()
    report = ended(acting, page)
    assert ("failed", 3) == (report["state"], report["changed"])
    assert f"Job {job}: returned 3 batches to the queue." == report["result"]
    assert "To go on, do the same again" in acting.get(page.url.path).text
    gate.open(9)
    acting.press(f"/jobs/{job}/retry")
    eventually(lambda: queue.sums(job)["pending"][0] == 6)


@pytest.mark.usefixtures("small_chunks")
def test_cancelling_many_batches_is_one_transaction_in_the_background(queue: Client, acting: ActBrowser) -> None:
    job = queue.job(9)
    report = ended(acting, acting.press(f"/jobs/{job}/cancel", number=str(job)))
    assert ("done", 1, 1) == (report["state"], report["changed"], report["expected"])
    assert 9 == queue.sums(job)["cancelled"][0]
