"""Keys of any text in acts: the item that is meant is the item that is touched, and texts stay texts."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from act_browser import ActBrowser, written
from client import Client
from dashboards import ask, open_dashboard
from evtrack.interfaces.web.address import link
from evtrack.interfaces.web.security.act_gate import ActRights

pytestmark = pytest.mark.integration

KEYS = (
    "a\rb", "a\tb", "</script><script>alert(1)</script>", '" autofocus onfocus="alert(1)', "?a=1&b=2#c", "../../x",
    "%2e%0a%25", "+ plus and space ", "\u202egnp.exe", "key = 'x'; $(rm -rf /)", "--help", "\U0001f4a9" * 40, "a" * 900,
)  # fmt: skip


def a_job_of(queue: Client, keys: tuple[str, ...]) -> int:
    """Make a job whose items, a batch each, have all failed."""
    job: int = queue.one(
        "SELECT evtrack.enqueue(%s, %s, %s, NULL, 0::smallint, %s, 1)",
        queue.handler,
        list(keys),
        ["{}"] * len(keys),
        Jsonb({"max_errors": 1}),
    )
    worker = queue.worker()
    queue.fail(worker, queue.claim(worker, job))
    return job


def test_the_item_with_the_key_is_touched_and_no_other(queue: Client, acting: ActBrowser) -> None:
    job = a_job_of(queue, KEYS)
    for number, key in enumerate(KEYS, 1):
        page = acting.press(link(f"/jobs/{job}/retry-items", key=key))
        assert f"Job {job}: returned 1 item to the queue." in page.text, key
        assert "<script>alert" not in page.text
        retried = {batch_no for batch_no, batch in queue.batches(job).items() if batch.status == "pending"}
        assert {number} == retried
        page = acting.press(link(f"/jobs/{job}/quarantine", key=key))
        assert f"Job {job}: quarantined 1 item." in page.text, key
        assert "cancelled" == str(queue.batch(job, number).status)
    assert {"cancelled"} == {str(batch.status) for batch in queue.batches(job).values()}
    queue.check(job)


def test_the_command_of_a_page_is_one_word_for_a_shell(queue: Client, acting: ActBrowser) -> None:
    job = a_job_of(queue, KEYS)
    page = acting.get(link(f"/jobs/{job}/quarantine", key="key = 'x'; $(rm -rf /)"))
    shown = (
        "evtrack quarantine %d &#39;--items=key = &#39;&#34;&#39;&#34;&#39;x&#39;&#34;&#39;&#34;&#39;; $(rm -rf /)&#39;"
    )
    assert shown % job in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": ""},
        {"origin": "http://evil.test"},
        {},
    ],
)
def test_a_form_of_another_page_does_nothing(queue: Client, dsn: str, headers: dict[str, str]) -> None:
    job = a_job_of(queue, ("a",))
    app, site = open_dashboard(dsn, acts=ActRights(dsn))
    before = written(queue)
    given: dict[str, Any] = {"headers": {"content-type": "application/x-www-form-urlencoded"} | headers}
    answers = [
        ActBrowser(app).get(f"/jobs/{job}/retry"),
        *ask(app, *((method, f"/jobs/{job}/retry", given) for method in ("POST", "DELETE", "PUT", "PATCH"))),
    ]
    assert [200, 403, 405, 405, 405] == [answer.status_code for answer in answers]
    assert before == written(queue)
    site.close()
