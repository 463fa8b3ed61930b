"""The commands that list jobs, batches and events, on a job with known events."""

import json
import re
import subprocess
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from client import Client
from command_line import environment, evtrack_command
from evtrack.storage.connection.connect import connect
from polling import eventually

pytestmark = pytest.mark.integration

EVIL = "evil\x1b[31m\x9b:\u202e7"


def test_the_status_of_a_job_is_one_document(run_json: Any, job: int) -> None:
    document = run_json("status", str(job))
    expected = {
        "job_id": job,
        "handler": "annotate",
        "phase": "finished",
        "outcome": "with errors",
        "total": 12,
        "done": 7,
        "failed": 4,
        "crashed": 1,
        "percent": 100.0,
        "batches": 5,
        "batches_failed": 1,
    }
    assert expected == {name: document[name] for name in expected}
    assert [("SIGSEGV", "key:10", 3)] == [(c["signal"], c["item_key"], c["batch_no"]) for c in document["crashes"]]
    assert [("ValueError", "two\nlines \x1b[2J", 1)] == [
        (e["type"], e["message"], e["failures"]) for e in document["errors"]
    ]
    assert f"evtrack retry {job}" in [step["command"] for step in document["next"]]
    created = datetime.fromisoformat(document["created_at"])
    assert document["created_at"].endswith("Z")
    assert timedelta(0) == created.utcoffset()


def test_the_status_of_a_job_reads_well_in_80_columns(run: Any, job: int) -> None:
    shown = run("status", str(job)).stdout
    for words in (
        f"Job {job}  annotate",
        "finished with errors",
        "100.0 %",
        "Wrong now: 4 failed, 1 crashed",
        "Crashed items",
        "SIGSEGV",
        "key:10",
        "Errors of failed items",
        "ValueError: two\\nlines \\x1b[2J",
        f"evtrack retry {job}",
    ):
        assert words in shown
    assert re.search(r"^done +7 +2$", shown, re.MULTILINE)
    assert re.search(r"^total +12 +5$", shown, re.MULTILINE)
    assert [] == [line for line in shown.splitlines() if len(line) > 80]
    assert "\x1b" not in shown


def test_the_overview_shows_active_jobs(run: Any, run_json: Any, client: Client, job: int) -> None:
    open_job = client.job(2)
    shown = run("status").stdout
    assert "1 active job, 1 ended; 1 worker, 0 of 2 slots busy" in shown
    assert "Active jobs" in shown
    assert "Latest ended jobs" in shown
    document = run_json("status")
    assert ([open_job], [job]) == tuple([row["job_id"] for row in document[part]] for part in ("active", "ended"))
    assert {"finished": 1, "sealed": 1} == document["phases"]
    assert ["alive"] == [worker["state"] for worker in document["workers"]]


def test_status_of_an_empty_database_explains_how_to_begin(run: Any) -> None:
    assert "evtrack submit" in run("status").stdout
    assert "evtrack submit" in run("jobs").stdout


def test_jobs_are_listed_latest_first_and_filtered(run: Any, run_json: Any, client: Client, job: int) -> None:
    second = client.job()
    third = Client(client.conn, "other").job()
    assert [third, second, job] == [row["job_id"] for row in run_json("jobs")]
    assert [third, second] == [row["job_id"] for row in run_json("jobs", "--limit", "2")]
    assert [job] == [row["job_id"] for row in run_json("jobs", "--phase", "finished,cancelled")]
    assert [third] == [row["job_id"] for row in run_json("jobs", "--handler", "other")]
    assert "annotate" in run("jobs").stdout
    assert "No such jobs." in run("jobs", "--phase", "abandoned").stdout
    assert "'done' is not one of open, abandoned" in run("jobs", "--phase", "done", code=2).stderr


def test_batches_are_listed_and_filtered(run: Any, run_json: Any, job: int) -> None:
    assert [1, 2, 3, 4, 5] == [row["batch_no"] for row in run_json("batches", str(job))]
    troubled = run_json("batches", str(job), "--status", "failed,crashed")
    assert [(2, "failed"), (4, "crashed")] == [(row["batch_no"], row["status"]) for row in troubled]
    assert "key:5, key:6, key:7... (1 more)" == troubled[0]["item_summary"]
    shown = run("batches", str(job), "--limit", "2").stdout
    assert "key:1, key:2, key:3... (1 more)" in shown
    assert "two\\nlines" in shown
    assert "Raise --limit to see more" in shown
    assert "has no such batch" in run("batches", str(job), "--status", "pending").stdout


def test_events_come_in_the_order_of_their_streams(client: Client, run_json: Any, run: Any, job: int) -> None:
    worker = client.one("SELECT worker_id FROM evtrack.batch WHERE job_id = %s AND batch_no = 2", job)
    events = run_json("events", str(job))
    assert ["created", "extended", "sealed"] == [event["type"] for event in events if event["batch_no"] == 0][:3]
    assert "finished" == events[-1]["type"]
    for number in range(6):
        versions = [event["version"] for event in events if event["batch_no"] == number]
        assert list(range(1, len(versions) + 1)) == versions
    assert ["enqueued", "started", "crashed", "split"] == [
        e["type"] for e in run_json("events", str(job), "--batch", "3")
    ]
    shown = run("events", str(job), "--batch", "2").stdout.splitlines()
    assert 3 == len(shown)
    assert f"failed (attempt 1) by worker {worker}" in shown[2]
    assert "two\\nlines" in shown[2]


def test_events_are_followed_to_the_end_of_the_job(dsn: str, client: Client, run: Any) -> None:
    job, worker = client.job(2), client.worker()

    def work() -> None:
        with connect(dsn, purpose="test") as conn:
            other = Client(conn, client.handler)
            for claim in other.claim(worker, job):
                other.complete(worker, [claim])
            other.one("SELECT evtrack.finish_due(%s)", job)

    # The job goes on only once the follower is there.
    def when_heard() -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack tail'"
            eventually(lambda: conn.execute(there).fetchone() == (1,), 20)
        work()

    thread = threading.Thread(target=when_heard)
    thread.start()
    lines = [json.loads(line) for line in run("events", str(job), "--follow", "--json").stdout.splitlines()]
    thread.join(20)
    assert "finished" == lines[-1]["type"]
    assert len(lines) == len({(line["batch_no"], line["version"]) for line in lines}) == 3 + 2 * 3 + 1


def test_a_follower_is_not_delayed(dsn: str, client: Client, run: Any, job: int) -> None:
    with psycopg.connect(dsn) as conn:
        conn.execute("SELECT pg_current_xact_id()")
        # Something later than the open transaction, so that the end of the job lies behind it.
        client.job()
        result = run("events", str(job), "--follow")
        assert "finished" in result.stdout.splitlines()[-1]
        assert "" == result.stderr


@pytest.mark.parametrize("command", ["status", "batches", "events", "progress", "suspend", "resume", "cancel", "retry"])
def test_a_missing_job_is_reported(run: Any, command: str) -> None:
    result = run(command, "99", code=1)
    assert "There is no job 99." in result.stderr
    assert "evtrack jobs" in result.stderr
    assert "" == result.stdout


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_an_invalid_job_id_is_wrong_usage(run: Any, number: str) -> None:
    run("status", "--", number, code=2)


def test_names_keys_and_errors_are_escaped_for_the_terminal(run: Any, client: Client) -> None:
    name = "name\x1b]0;gotcha\x07\nsecond"
    keys = [f"{EVIL}{number}" for number in range(3)]
    job = client.one("SELECT evtrack.enqueue('annotate', %s, %s, %s)", keys, ["1"] * 3, name)
    worker = client.worker()
    client.crash(worker, client.claim(worker, job), cause="signal", signal="\x1b[1m", item_key=EVIL, stderr="\x1b[2J")
    for command in (["status"], ["status", str(job)], ["jobs"], ["batches", str(job)], ["events", str(job)]):
        shown = run(*command).stdout
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown), command
        assert "second" not in [line.strip() for line in shown.splitlines()]
    assert r"evil\x1b[31m\x9b:\u202e70" in run("batches", str(job)).stdout


def test_a_long_name_and_a_large_number_fit_into_80_columns(run: Any, client: Client) -> None:
    other = Client(client.conn, "h" * 200)
    job = other.one("SELECT evtrack.enqueue(%s, %s, %s, %s)", other.handler, ["k" * 500], ["1"], "n" * 300)
    client.conn.execute("UPDATE evtrack.job SET item_count = 123456789012 WHERE job_id = %s", (job,))
    for command in (["status"], ["status", str(job)], ["jobs"], ["batches", str(job)]):
        shown = run(*command).stdout
        assert [] == [line for line in shown.splitlines() if len(line) > 80], command
    assert "123,456,789,012" in run("jobs").stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["status", "status 1", "jobs --json", "events 1", "events 1 --json", "results 1"])
def test_a_failed_write_to_stdout_is_reported(dsn: str, client: Client, command: str, unbuffered: str) -> None:
    job, worker = client.job(), client.worker()
    client.complete(worker, client.claim(worker, job), results=['"a result"'])
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            evtrack_command(*command.split(), "--dsn", dsn),
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            timeout=60,
        )
    assert 74 == done.returncode
    assert done.stderr.startswith("Error: The output cannot be written to stdout: No space left on device.\n")
