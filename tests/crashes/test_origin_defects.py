"""The defects of the batch tracking that evtrack re-imagines: each has a test that fails where it is repeated.

Here stand those that no other file shows. The others are listed in ELSEWHERE, and that they are there is a test, too.
"""

import re
import time
from pathlib import Path

import pytest

from client import Client
from command_line import evtrack
from event_streams import data_of
from evtrack.domain.states import BatchStatus
from evtrack.storage.connection.connect import Connection, connect
from polling import eventually
from workers import running_worker

pytestmark = pytest.mark.integration

TESTS = Path(__file__).parents[1]

ELSEWHERE = {
    "batches that ran for more than ten minutes were called crashed": [
        "crashes/test_causes.py::test_a_long_running_batch_is_not_crashed",
    ],
    "batches that waited in a long queue were called failed": [
        "queue/test_waiting.py::test_a_batch_in_a_long_queue_waits_for_its_turn",
    ],
    "the bar went back under pressure, as invalid items were left out": [
        "submission/test_submit_pressure.py::test_progress_with_a_full_queue_counts_invalid_items_and_never_decreases",
    ],
    "the wait for a full queue was 75 s, and its message said 300 s": [
        "submission/test_submit_pressure.py::test_a_queue_that_stays_full_ends_the_submission_with_correct_figures",
        "submission/test_submit_pressure.py::test_the_command_reports_the_actual_wait_and_can_be_resumed",
    ],
    "retries found the status changed and did nothing": [
        "worker/test_worker.py::test_a_handler_that_raises_is_retried_until_its_budget_is_spent",
        "submission/test_job_control.py::test_retry_requeues_failed_and_crashed_batches_with_new_budgets",
        "queue/test_items.py::test_some_items_of_a_batch_are_retried_in_a_new_one",
    ],
    "a late child overwrote crashed": [
        "queue/test_reap.py::test_a_lost_worker_is_fenced",
        "crashes/test_lost_workers.py::test_a_worker_stopped_past_its_lease_is_fenced_and_its_late_results_are_recorded",
    ],
}


@pytest.mark.parametrize("defect", ELSEWHERE)
def test_the_tests_in_other_files_exist(defect: str) -> None:
    for name in ELSEWHERE[defect]:
        file, test = name.split("::")
        assert re.search(rf"^def {test}\(", (TESTS / file).read_text(encoding="utf-8"), re.MULTILINE), name


@pytest.fixture
def client(conn: Connection) -> Client:
    """A session with this test's own database."""
    return Client(conn, "scripted")


def later(client: Client, table: str, *columns: str, by: str = "2 hours") -> None:
    """Move times of a table back, as if time had passed."""
    changes = ", ".join(f"{column} = {column} - interval '{by}'" for column in columns)
    client.conn.execute(f"UPDATE evtrack.{table} SET {changes}".encode())


def test_crash_evidence_outlives_the_job_and_its_retry(client: Client) -> None:
    job, worker = client.job(2, items=2, max_crashes=1), client.worker()
    one, two = client.claim(worker, job)
    client.crash(worker, [one], cause="signal", signal="SIGSEGV", ordinal=1, native_traceback="here")
    client.complete(worker, [two])
    client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    before = client.rows("SELECT * FROM evtrack.event WHERE job_id = %s ORDER BY seq", job)
    assert 1 == client.one("SELECT evtrack.retry(%s)", job)
    client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    assert (4, 0) == (client.sums(job)["completed"][1], client.sums(job)["crashed"][1])
    after = client.rows("SELECT * FROM evtrack.event WHERE job_id = %s ORDER BY seq", job)
    assert before == after[: len(before)]
    (crash,) = client.rows("SELECT signal, item_key, dossier FROM evtrack.crash WHERE job_id = %s", job)
    assert ("SIGSEGV", "key:1", "here") == (crash["signal"], crash["item_key"], crash["dossier"]["native_traceback"])


def test_a_batch_that_runs_for_hours_is_not_crashed_while_its_worker_lives(client: Client) -> None:
    job, worker = client.job(), client.worker()
    (claim,) = client.claim(worker, job)
    later(client, "batch", "enqueued_at", "started_at", by="2 days")
    later(client, "worker", "started_at", by="2 days")
    client.one("SELECT evtrack.heartbeat(%s, 1)", worker)
    assert [] == client.rows("SELECT * FROM evtrack.reap()")
    assert BatchStatus.RUNNING == client.batch(job).status
    assert ["ok"] == client.complete(worker, [claim])


def test_a_batch_that_waited_for_hours_in_a_long_queue_is_run(client: Client) -> None:
    job, worker = client.job(3), client.worker()
    (first,) = client.claim(worker, job, fresh=1)
    later(client, "batch", "enqueued_at", by="2 days")
    client.one("SELECT evtrack.heartbeat(%s, 2)", worker)
    assert [] == client.rows("SELECT * FROM evtrack.reap()")
    assert ["running", "pending", "pending"] == [batch.status for batch in client.batches(job).values()]
    assert "queue" == client.one("SELECT why FROM evtrack.waiting WHERE job_id = %s", job)
    client.complete(worker, [first, *client.claim(worker, job)])
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    assert (3, 3) == client.sums(job)["completed"]


def test_an_upload_with_only_invalid_lines_ends_at_once(dsn: str, client: Client, tmp_path: Path) -> None:
    source = tmp_path / "bad.jsonl"
    source.write_text("no JSON\n[1, 2]\n{broken\n", encoding="utf-8")
    begun = time.monotonic()
    done = evtrack("submit", str(source), "--handler", "h", "--dsn", dsn)
    assert 0 == done.returncode, done.stderr
    # Nobody works: it must not take a worker to see that nothing is left to do.
    assert "finished" == client.phase(1)
    assert time.monotonic() - begun < 30
    (row,) = client.rows("SELECT percent, total, invalid, ended FROM evtrack.job_progress")
    assert (100.0, 3, 3, 3) == tuple(row.values())


def test_a_worker_is_seen_alive_before_any_batch_is_done(client: Client, dsn: str) -> None:
    job = client.one("SELECT evtrack.enqueue('scripted', '{k}', %s)", ['{"do": "sleep", "s": 4}'])
    with running_worker(dsn, slots=1, lease_s=0.9):
        eventually(lambda: client.batch(job).status == BatchStatus.RUNNING)
        first = client.one("SELECT seen_at FROM evtrack.worker")
        # For three leases nothing is completed, and no worker is declared lost.
        eventually(lambda: (client.one("SELECT seen_at FROM evtrack.worker") - first).total_seconds() > 2.7)
        assert (0, 0) == client.sums(job)["completed"]
        assert client.one("SELECT lost_at FROM evtrack.worker") is None
        eventually(lambda: client.phase(job) == "finished")
    assert ["enqueued", "started", "completed"] == client.types(job)


def test_a_submitter_is_seen_alive_before_anything_is_submitted(dsn: str, client: Client) -> None:
    (made,) = client.rows("SELECT * FROM evtrack.create_job('h')")
    job = made["job_id"]
    with connect(dsn, purpose="test submitter") as submitter:
        assert submitter.execute("SELECT evtrack.hold_job(%s)", [job]).fetchone() == (True,)
        later(client, "job", "created_at", by="2 days")
        client.rows("SELECT * FROM evtrack.reap('0 s', '15 minutes')")
        assert "open" == client.phase(job)


def test_crashes_are_seen_while_the_source_is_still_read(client: Client) -> None:
    (made,) = client.rows("SELECT * FROM evtrack.create_job('scripted')")
    job, token = made["job_id"], made["submitter_token"]
    client.conn.execute(
        "INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)"
        " SELECT %s, %s, n, (n + 1) / 2, 'k' || n, '{}' FROM generate_series(1, 4) n",
        (made["job_day"], job),
    )
    client.one("SELECT evtrack.add_batches(%s, %s, 1, '{2,2}', '{2,2}', '{1,3}', '{}', 9)", job, token)
    worker, other = client.worker(), client.worker()
    (one,) = client.claim(worker, job, fresh=1)
    (two,) = client.claim(other, job, fresh=1)
    assert ["split"] == client.crash(worker, [one])
    client.conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 day' WHERE worker_id = %s", (other,))
    client.run_steadily()
    assert [(other, 1)] == [(row["worker_id"], row["batches"]) for row in client.rows("SELECT * FROM evtrack.reap()")]
    assert ["split", "pending", "pending", "pending"] == [batch.status for batch in client.batches(job).values()]
    assert two.batch_no == 2
    assert "open" == client.phase(job)
    client.check(job)


def test_suspending_works_on_every_host_and_drops_nothing(dsn: str, client: Client) -> None:
    (made,) = client.rows("SELECT * FROM evtrack.create_job('scripted')")
    job, token = made["job_id"], made["submitter_token"]

    def add(first_batch: int) -> None:
        client.conn.execute(
            "INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)"
            " VALUES (%s, %s, %s, %s, 'k', '{}')",
            (made["job_day"], job, first_batch, first_batch),
        )
        client.one(
            "SELECT evtrack.add_batches(%s, %s, %s, '{1}', '{1}', ARRAY[%s]::integer[], '{}', 9)",
            job,
            token,
            first_batch,
            first_batch,
        )

    add(1)
    add(2)
    here, there = client.worker(), client.worker()
    (running,) = client.claim(here, job, fresh=1)
    assert client.one("SELECT evtrack.suspend(%s)", job) is True
    with connect(dsn, purpose="another host") as conn:
        assert [] == Client(conn, "scripted").claim(there, job)
    assert [] == client.claim(here, job)
    # What runs is not failed for it, and what is still being read is kept.
    assert ["ok"] == client.complete(here, [running])
    add(3)
    client.one("SELECT evtrack.seal(%s, %s)", job, token)
    assert client.one("SELECT evtrack.finish_due(%s)", job) is False
    client.one("SELECT evtrack.resume(%s)", job)
    client.complete(there, client.claim(there, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    assert (3, 3) == client.sums(job)["completed"]


def test_dead_workers_are_reaped_without_outside_help(client: Client, dsn: str) -> None:
    dead, job = client.worker(), client.job(2)
    client.claim(dead, job)
    upload = client.rows("SELECT * FROM evtrack.create_job('scripted')")[0]["job_id"]
    later(client, "worker", "seen_at")
    later(client, "job", "created_at")
    client.run_steadily()
    with running_worker(dsn, slots=1):
        eventually(lambda: client.phase(job) == "finished", 20)
        eventually(lambda: client.phase(upload) == "abandoned", 20)
    assert ["enqueued", "started", "crashed", "requeued", "started", "completed"] == client.types(job)
    assert (2, 2) == client.sums(job)["completed"]


def test_a_late_report_changes_nothing(client: Client) -> None:
    job, worker = client.job(), client.worker()
    claims = client.claim(worker, job)
    later(client, "worker", "seen_at")
    client.run_steadily()
    client.rows("SELECT * FROM evtrack.reap()")
    before = client.batch(job)
    assert BatchStatus.PENDING == before.status
    assert ["late"] == client.complete(worker, claims, results=["1"])
    assert BatchStatus.PENDING == client.batch(job).status
    assert before.finished_at == client.batch(job).finished_at
    assert [] == client.rows("SELECT * FROM evtrack.item_result WHERE job_id = %s", job)
    late = client.events(job, 1)[-1]
    assert ("late_result", worker, {"outcome": "completed"}) == (late.type, late.worker_id, data_of(late))
    client.check(job)
