"""The commands that change a job: suspend, resume, cancel and retry."""

from typing import Any

import psycopg
import pytest

from client import Client

pytestmark = pytest.mark.integration


def test_a_job_is_suspended_and_resumed(run_json: Any, run: Any, client: Client) -> None:
    job = client.job()
    assert {"job_id": job, "action": "suspend", "changed": True} == run_json("suspend", str(job))
    assert run_json("suspend", str(job))["changed"] is False
    assert "sealed, suspended" in run("jobs").stdout
    assert [] == client.claim(client.worker(), job)
    assert "is resumed" in run("resume", str(job)).stdout
    assert run_json("resume", str(job))["changed"] is False
    assert 1 == len(client.claim(client.worker(), job))


def test_resuming_and_retrying_wake_the_workers(dsn: str, run: Any, client: Client, job: int) -> None:
    waiting = client.job()
    run("suspend", str(waiting))
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("LISTEN evtrack_work")
        run("resume", str(waiting))
        run("retry", str(job))
        heard = [notice.payload for notice in conn.notifies(timeout=10, stop_after=2)]
    assert ["annotate", "annotate"] == heard


def test_a_job_is_cancelled(run_json: Any, run: Any, client: Client, job: int) -> None:
    waiting = client.job(2)
    assert run_json("cancel", str(waiting))["changed"] is True
    assert run_json("cancel", str(waiting))["changed"] is False
    assert ["cancelled", "cancelled"] == [row["status"] for row in run_json("batches", str(waiting))]
    assert "0 invalid, 2 cancelled" in run("progress", str(waiting)).stdout
    assert "nothing is left to cancel" in run("cancel", str(job), code=1).stderr


def test_failed_and_crashed_batches_can_be_retried(run_json: Any, run: Any, client: Client, job: int) -> None:
    nothing = run("retry", str(job), "--batch", "1").stdout
    assert f"Job {job} has no failed or crashed batches to retry.\n" == nothing
    assert 1 == run_json("retry", str(job), "--status", "failed")["batches"]
    assert "sealed" == client.phase(job)
    assert 0 == run_json("retry", str(job), "--batch", "2")["batches"]
    # Batch 3 is split: its item in hand is in batch 4.
    assert "no failed or crashed batches to retry" in run("retry", str(job), "--batch", "3").stdout
    assert "returned 1 batch to the queue" in run("retry", str(job), "--batch", "4").stdout
    assert ["completed", "pending", "split", "pending", "completed"] == [
        row["status"] for row in run_json("batches", str(job))
    ]
    assert (
        "'completed' is not one of failed, crashed." in run("retry", str(job), "--status", "completed", code=2).stderr
    )
