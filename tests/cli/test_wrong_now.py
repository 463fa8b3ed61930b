"""`evtrack status` leads with what is wrong now; `errors`, `items`, `crashes` and `show` tell items apart."""

import re
from typing import Any

import pytest

from client import Client

pytestmark = pytest.mark.integration


def failures(*ordinals: int) -> list[dict[str, object]]:
    return [{"ordinal": n, "key": f"key:{n}", "type": "ValueError", "message": f"bad page {n}"} for n in ordinals]


@pytest.fixture
def failed_job(client: Client) -> int:
    """Batch 1 failed on all of its three items, each with a number of its own; item 4 crashed once, and waits."""
    job, worker = client.job(2, items=3, max_errors=1, backoff_s=0), client.worker()
    one, two = client.claim(worker, job)
    client.fail(worker, [one], {"type": "ValueError", "message": "bad page 1 (and 2 more)", "items": failures(1, 2, 3)})
    client.crash_with(worker, [two], [{"cause": "signal", "signal": "SIGSEGV", "ordinal": 4}], done=["{[5,7)}"])
    return job


def retry_successfully(client: Client, job: int) -> None:
    worker = client.worker()
    client.one("SELECT evtrack.retry(%s)", job)
    client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)


def test_status_leads_with_what_is_wrong_now(run: Any, run_json: Any, failed_job: int) -> None:
    lines = run("status", str(failed_job)).stdout.splitlines()
    assert "Wrong now: 3 failed, 1 waiting for a retry" == lines[1]
    assert [line for line in lines if "3  3 failed" in line and "ValueError: bad page <n>" in line]
    assert [line for line in lines if line.endswith("will run again")]
    found = run_json("status", str(failed_job))
    assert {"failed": 3, "crashed": 0, "stuck": 0, "retrying": 1} == found["now"]
    assert [("bad page <n>", 3, 3)] == [(e["shape"], e["failures"], e["items_failed"]) for e in found["errors"]]
    assert 12 == len(found["errors"][0]["fingerprint"])
    assert ["pending"] == [crash["fate"] for crash in found["crashes"]]


def test_what_a_retry_has_solved_is_not_shown_as_wrong(
    run: Any, run_json: Any, client: Client, failed_job: int
) -> None:
    retry_successfully(client, failed_job)
    shown = run("status", str(failed_job)).stdout
    assert "Wrong now" not in shown
    assert "bad page" not in shown
    assert "SIGSEGV" not in shown
    assert f"Nothing is wrong now; retries solved 1 error: evtrack errors {failed_job}" in shown
    found = run_json("status", str(failed_job))
    assert ([], [], 1) == (found["errors"], found["crashes"], found["solved_errors"])
    assert {"failed": 0, "crashed": 0, "stuck": 0, "retrying": 0} == found["now"]
    assert re.search(
        r"^ +3  solved +1  key:1  ValueError: bad page <n>", run("errors", str(failed_job)).stdout, re.MULTILINE
    )
    assert "no items with errors now" in run("errors", str(failed_job), "--now").stdout
    assert [] == run_json("errors", str(failed_job), "--now")
    assert re.search(r"SIGSEGV +key:4 +completed later$", run("crashes", str(failed_job)).stdout, re.MULTILINE)


def test_a_poison_item_has_one_row_in_status(run_json: Any, run: Any, client: Client) -> None:
    job, worker = client.job(items=2), client.worker()
    client.crash(worker, client.claim(worker, job), cause="signal", signal="SIGSEGV", ordinal=1)
    back = {claim.batch_no: claim for claim in client.claim(worker, job)}
    client.crash(worker, [back[2]], cause="signal", signal="SIGSEGV")
    assert [("key:1", "poison")] == [(c["item_key"], c["fate"]) for c in run_json("status", str(job))["crashes"]]
    assert ["poison", "poison"] == [line.split()[-1] for line in run("crashes", str(job)).stdout.splitlines()[2:4]]


def test_work_that_no_worker_takes_is_stuck(run: Any, run_json: Any, client: Client) -> None:
    job = client.job(2, items=3)
    client.conn.execute("UPDATE evtrack.batch SET enqueued_at = enqueued_at - interval '1 hour'")
    assert 6 == run_json("status", str(job))["now"]["stuck"]
    assert "Wrong now: 6 stuck in the queue" in run("status", str(job)).stdout


def test_the_overview_leads_with_what_is_wrong_with_active_jobs(
    run: Any, run_json: Any, client: Client, failed_job: int
) -> None:
    other = Client(client.conn, "nobody").job(2, items=3)
    client.conn.execute("UPDATE evtrack.batch SET enqueued_at = enqueued_at - interval '1 hour'")
    lines = run("status").stdout.splitlines()
    assert f"Wrong now: 3 failed, 6 stuck in the queue (evtrack status {other})" == lines[0]
    assert lines[1].startswith("2 active jobs")
    assert {"failed": 3, "crashed": 0, "stuck": 6} == run_json("status")["now"]
    client.one("SELECT evtrack.cancel(%s)", other)
    retry_successfully(client, failed_job)
    assert run("status").stdout.startswith("no active jobs") or run("status").stdout.startswith("0 active jobs")


def test_each_failed_item_has_its_own_error(run: Any, run_json: Any, failed_job: int) -> None:
    found = run_json("items", str(failed_job), "--status", "failed")
    assert [(f"key:{n}", f"bad page {n}") for n in (1, 2, 3)] == [(item["item_key"], item["error"]) for item in found]
    shown = run("show", str(failed_job), "1").stdout
    assert all(f"key:{n}  ValueError: bad page {n}" in shown for n in (1, 2, 3))
    assert "bad page 2" in run("items", str(failed_job), "key:2").stdout
    assert "Raise --limit" in run("items", str(failed_job), "--limit", "1").stdout
    assert "has no such items" in run("items", str(failed_job), "nothing").stdout
    assert [] == [line for line in run("items", str(failed_job)).stdout.splitlines() if len(line) > 80]
