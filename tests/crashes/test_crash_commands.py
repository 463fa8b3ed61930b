"""crashes, show, retry --items and quarantine, on a job with known events."""

import json
import re
from typing import Any

import pytest

from client import Client
from evtrack.storage.connection.connect import Connection
from log_tampering import unguarded

pytestmark = pytest.mark.integration


@pytest.fixture
def client(conn: Connection) -> Client:
    """A session with this test's own database."""
    return Client(conn, "annotate")


@pytest.fixture
def job(client: Client) -> int:
    """A finished job of 2 batches of 4: item 2 is poison (batch 3), the rest done; batch 2 failed."""
    job, worker = client.job(2, items=4, max_errors=1), client.worker()
    one, two = client.claim(worker, job)
    client.crash_with(
        worker,
        [one],
        [
            {
                "cause": "signal", "signal": "SIGSEGV", "ordinal": 2, "item_key": "key:2", "run_s": 0.5, "pid": 4711,
                "peak_rss_bytes": 50 * 2**20, "cpu_s": 0.25, "stderr": "about to die\x1b[2J",
                "native_traceback": "Fatal Python error: Segmentation fault", "python_traceback": "File h.py, line 7",
            }
        ],
        done=["{[1,2)}"],
        results=["1"],
    )  # fmt: skip
    client.fail(worker, [two], {"type": "ValueError", "message": "no", "traceback": "line 1\nline 2"})
    suspect, rest = client.claim(worker, job)
    client.crash(worker, [suspect], cause="timeout", signal="SIGKILL", run_s=60)
    client.complete(worker, [rest])
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    return job


def test_the_crashes_of_a_job_are_listed_latest_first(run: Any, run_json: Any, job: int) -> None:
    rows = run_json("crashes", str(job))
    assert [(3, 2, "timeout", "SIGKILL", "key:2", True), (1, 1, "signal", "SIGSEGV", "key:2", False)] == [
        (row["batch_no"], row["attempt"], row["cause"], row["signal"], row["item_key"], row["poison"]) for row in rows
    ]
    assert ("host", 4711, 50 * 2**20, 0.25, 0.5) == tuple(
        rows[1][name] for name in ("host", "pid", "peak_rss_bytes", "cpu_s", "run_s")
    )
    result = run("crashes", str(job))
    assert re.search(r"^ +3 +2 .* timeout +key:2 +poison$", result.stdout, re.MULTILINE)
    assert re.search(r"^ +1 +1 .* SIGSEGV +key:2 +poison$", result.stdout, re.MULTILINE)
    assert [] == [line for line in result.stdout.splitlines() if len(line) > 80]
    assert f"evtrack show {job} 3" in result.stderr


def test_the_crashes_of_all_jobs_cover_one_day(run: Any, run_json: Any, client: Client, job: int) -> None:
    worker, other = client.worker(), client.job()
    client.crash(worker, client.claim(worker, other))
    assert [other, job, job] == [row["job_id"] for row in run_json("crashes")]
    assert [other] == [row["job_id"] for row in run_json("crashes", "--limit", "1")]
    assert re.match(r"JOB +BATCH", run("crashes").stdout)
    assert 2 == len(run_json("crashes", str(job), "--since", "1h"))
    assert 2 == len(run_json("crashes", str(job), "--since", "1.5d"))
    assert [] == run_json("crashes", str(job), "--since", "0s")
    assert "no crash" in run("crashes", str(job), "--since", "0s").stdout
    assert "use a form like 90s" in run("crashes", "--since", "yesterday", code=2).stderr
    assert "There is no job 99." in run("crashes", "99", code=1).stderr


def test_show_prints_the_events_of_a_batch_as_sentences(client: Client, run: Any, job: int) -> None:
    worker = client.one("SELECT worker_id FROM evtrack.event WHERE job_id = %s AND type = 'started' LIMIT 1", job)
    shown = run("show", str(job), "1").stdout
    for words in (
        f"Job {job}, batch 1 annotate",
        "completed · 1 item · 1 attempt",
        "enqueued with 4 items",
        f"started by worker {worker} (test, process 1 on host), attempt 1",
        f"crashed after 500ms on worker {worker}",
        "SIGSEGV at key:2",
        "peak memory 50 MB",
        "Fatal Python error: Segmentation fault",
        "File h.py, line 7",
        r"about to die\x1b[2J",
        "completed after 500ms; 3 items moved to batches 3, 4",
        "What became of its items",
    ):
        assert words in " ".join(shown.split()), words
    assert re.search(r"^ +1 +completed +1 +key:1$", shown, re.MULTILINE)
    assert re.search(r"^ +1 +crashed +1 > 3 +key:2$", shown, re.MULTILINE)
    assert re.search(r"^ +2 +completed +1 > 4 +key:3, key:4$", shown, re.MULTILINE)
    assert [] == [line for line in shown.splitlines() if len(line) > 80]
    assert "\x1b" not in shown
    poison = " ".join(run("show", str(job), "3").stdout.split())
    assert "derived from batch 1" in poison
    assert f"crashed after 1m 0s on worker {worker}: timeout (SIGKILL) at key:2" in poison
    assert "crash budget spent: poison" in poison
    failed = " ".join(run("show", str(job), "2").stdout.split())
    assert "failed after 250ms: ValueError: no" in failed
    assert "line 1 line 2" in failed


def test_show_with_json_prints_one_document(run_json: Any, run: Any, job: int) -> None:
    document = run_json("show", str(job), "1")
    assert (job, 1, "completed", "annotate") == tuple(
        document[name] for name in ("job_id", "batch_no", "status", "handler")
    )
    assert ["enqueued", "started", "crashed", "completed"] == [event["type"] for event in document["events"]]
    assert "File h.py, line 7" == document["events"][2]["data"]["python_traceback"]
    assert [("completed", [1], 1), ("crashed", [1, 3], 1), ("completed", [1, 4], 2)] == [
        (fate["status"], fate["path"], fate["items"]) for fate in document["fates"]
    ]
    refusal = run("show", str(job), "77", code=1)
    assert f"Job {job} has no batch 77." in refusal.stderr
    assert f"evtrack batches {job}" in refusal.stderr


def test_show_with_markdown_prints_the_same_for_an_issue(run: Any, job: int) -> None:
    shown = run("show", str(job), "1", "--markdown").stdout
    for words in (
        f"# Job {job}, batch 1\n\n- handler: `annotate`\n- status: **completed**, 1 item, 1 attempt\n",
        "enqueued with 4 items",
        "+0ms  completed after 500ms; 3 items moved to batches 3, 4\n```",
        "### Event 3: Python traceback\n\n```text\nFile h.py, line 7\n```",
        r"about to die\x1b[2J",
        "    1  crashed    1 > 3    key:2\n",
    ):
        assert words in re.sub(r"\+\d+ms", "+0ms", shown), words
    assert "\x1b" not in shown
    assert "exclude each other" in run("show", str(job), "1", "--markdown", "--json", code=2).stderr


def test_every_kind_of_event_has_its_sentence(run: Any, client: Client) -> None:
    job, worker, other = client.job(3, items=2, max_errors=2, max_crashes=1), client.worker(), client.worker()
    one, two, three = client.claim(worker, job)
    client.requeue(worker, [one])
    client.fail(worker, [two])
    client.complete_partly(worker, three, "{[6,7)}")
    client.complete(other, [three])
    client.crash(worker, [next(c for c in client.claim(worker, job) if c.batch_no == 1)], cause="signal", ordinal=1)
    client.one("SELECT evtrack.quarantine(%s, '{key:2}')", job)
    numbers = list(client.batches(job))
    shown = {number: " ".join(run("show", str(job), str(number)).stdout.split()) for number in numbers}
    assert "returned to the queue because its worker stopped" in shown[1]
    assert "split into batches 5, 6" in shown[1]
    assert re.search(r"returned to the queue for a retry, not before \d{4}-\d\d-\d\d [\d:]{8}\.\d{3}Z", shown[2])
    assert f"worker {other} (test, process 1 on host) reported attempt 1 completed too late: rejected" in shown[3]
    assert "crashed at once: key:1 had spent its crash budget" in shown[5]
    assert "cancelled: quarantined" in shown[6]


@pytest.mark.parametrize(
    "data",
    ["[" * 3000 + "]" * 3000, '{"a":' * 600 + "1" + "}" * 600, '{"run_s": 1e400}', '{"run_s": 1e5000}', "[]", '"text"'],
    ids=["arrays", "objects", "beyond a float", "long", "a list", "a text"],
)
def test_event_data_that_cannot_be_read_is_shown_shortened(run: Any, client: Client, data: str) -> None:
    job, worker = client.job(1), client.worker()
    client.complete(worker, client.claim(worker, job))
    with unguarded(client.conn, job) as part:
        client.conn.execute(
            f"UPDATE {part} SET data = %s WHERE job_id = %s AND batch_no = 1 AND type = 'completed'".encode(),
            [data, job],
        )
    beginning = data[:8] if data[0] == "[" else "text" if "text" in data else "{"
    for events in (("events", str(job)), ("events",)):
        (line,) = (each for each in run(*events).stdout.splitlines() if " completed " in each)
        assert re.search(rf"batch 1 +v3 +completed \(attempt 1\) by worker {worker}  unreadable=", line)
        assert beginning in line
    told = [json.loads(line) for line in run("events", "--json").stdout.splitlines()]
    (completed,) = (each["data"] for each in told if each["type"] == "completed")
    assert {"unreadable"} == completed.keys()
    shown = run("show", str(job), "1").stdout
    assert "unreadable data:" in shown
    assert beginning in shown
    events = json.loads(run("show", str(job), "1", "--json").stdout)["events"]
    assert completed == events[2]["data"]


def test_single_items_can_be_retried(run: Any, run_json: Any, client: Client, job: int) -> None:
    result = run("retry", str(job), "--items", "key:5", "key:7", "key:1")
    assert f"Job {job}: returned 2 items to the queue." in result.stdout
    assert "key:1: is completed" in result.stderr
    assert "sealed" == client.phase(job)
    assert "{[5,6),[7,8)}" == str(client.batch(job, 5).ordinals)
    document = run_json("retry", str(job), "--items", "key:2", "--items", "key:6", "--status", "crashed")
    assert (job, "retry", True) == (document["job_id"], document["action"], document["changed"])
    assert [("key:2", 2, 3, "retry"), ("key:6", 6, 2, "failed")] == [
        (item["item_key"], item["ordinal"], item["batch_no"], item["verdict"]) for item in document["items"]
    ]
    assert "returned 0 items to the queue" in run("retry", str(job), "--items", "key:6", "--batch", "3").stdout
    worker = client.worker()
    client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    assert (6, 2) == tuple(
        client.rows("SELECT done, failed FROM evtrack.job_progress WHERE job_id = %s", job)[0].values()
    )


def test_poison_items_can_be_quarantined(run: Any, run_json: Any, client: Client, job: int) -> None:
    waiting = client.job(items=3)
    assert f"Job {waiting}: quarantined 1 item." in run("quarantine", str(waiting), "--items", "key:2").stdout
    worker = client.worker()
    claims = client.claimed(worker, waiting)
    assert ["key:1\nkey:3"] == [claim["item_keys"] for claim in claims]
    assert "is running" in run("quarantine", str(waiting), "--items", "key:1").stderr
    document = run_json("quarantine", str(job), "--items", "key:2", "key:5")
    assert ["quarantined", "quarantined"] == [item["verdict"] for item in document["items"]]
    only = client.job()
    run("quarantine", str(only), "--items", "key:1")
    assert "finished" == client.phase(only)


@pytest.mark.parametrize("command", ["retry", "quarantine"])
def test_an_unknown_key_is_an_error(run: Any, job: int, command: str) -> None:
    result = run(command, str(job), "--items", "nonesuch", code=1)
    assert "nonesuch: the job has no item with this key" in result.stderr
    assert "evtrack batches" in result.stderr
    assert "There is no job 99." in run(command, "99", "--items", "x", code=1).stderr


def test_item_keys_need_their_option(run: Any, job: int) -> None:
    assert "Put item keys after --items." in run("retry", str(job), "key:1", code=2).stderr
    run("quarantine", str(job), code=2)


def test_the_status_explains_why_a_job_waits(run_json: Any, client: Client) -> None:
    job = client.job(2)
    assert "no worker" == run_json("status", str(job))["waiting"]["why"]
    client.worker()
    assert "queue" == run_json("status", str(job))["waiting"]["why"]
    client.conn.execute("UPDATE evtrack.worker SET started_at = started_at - interval '5 minutes'")
    client.conn.execute("UPDATE evtrack.batch SET enqueued_at = enqueued_at - interval '5 minutes'")
    document = run_json("status", str(job))
    assert ("never started", 2) == (document["waiting"]["why"], document["waiting"]["free_slots"])
    assert any("although 2 slots are free" in step["why"] for step in document["next"])


def test_the_workers_are_listed_with_their_status(run: Any, run_json: Any, client: Client) -> None:
    assert "No live workers." in run("workers").stdout
    assert "evtrack work --import MODULE" in run("workers", "--all").stdout
    alive, stopped, lost = client.worker(), client.worker(), client.worker()
    client.one("SELECT evtrack.stop_worker(%s)", stopped)
    client.conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 day' WHERE worker_id = %s", (lost,))
    assert {(lost, "silent"), (alive, "alive")} == {(row["worker_id"], row["state"]) for row in run_json("workers")}
    client.run_steadily()
    client.rows("SELECT * FROM evtrack.reap()")
    assert [alive] == [row["worker_id"] for row in run_json("workers")]
    assert {alive: "alive", stopped: "stopped", lost: "lost"} == {
        row["worker_id"]: row["state"] for row in run_json("workers", "--all")
    }
    assert 1 == len(run_json("workers", "--all", "--limit", "1"))
    assert re.search(r"lost .* host", run("workers", "--all").stdout)
