"""The state of a job at any past moment, and its timeline as a chart."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from client import Client

pytestmark = pytest.mark.integration


def statuses(own_client: Client, job: int) -> dict[int, tuple[str, int, int, int]]:
    """Return what the projection says of each batch now."""
    return {n: (str(b.status), b.attempt, b.version, b.item_count) for n, b in own_client.batches(job).items()}


def sums(own_client: Client, job: int, source: str) -> dict[str, Any]:
    """Return progress, from the view or as of a time."""
    columns = "total, done, failed, crashed, cancelled, invalid, pending, running, batches, batches_completed"
    return own_client.rows(
        f"SELECT phase::text, suspended, {columns}, batches_split FROM evtrack.{source} WHERE job_id = %s", job
    )[0]


def test_the_state_at_each_moment_can_be_reconstructed(own_client: Client) -> None:
    job, worker = own_client.job(4, items=4, max_errors=2, max_crashes=1, backoff_s=0), own_client.worker()
    moments: list[tuple[Any, Any, Any]] = []

    def look() -> None:
        now = own_client.one("SELECT clock_timestamp()")
        moments.append((now, statuses(own_client, job), sums(own_client, job, "job_progress")))

    look()
    one, two, three, four = own_client.claim(worker, job)
    look()
    own_client.complete(worker, [one])
    own_client.fail(worker, [two])
    look()
    own_client.crash(worker, [three], cause="signal", signal="SIGSEGV", ordinal=10)
    own_client.complete_partly(worker, four, "{[14,16)}")
    look()
    own_client.one("SELECT evtrack.suspend(%s)", job)
    look()
    own_client.rows("SELECT * FROM evtrack.quarantine(%s, '{key:10,key:9}')", job)
    own_client.complete(worker, [four])
    look()
    for at, batches, progress in moments:
        rows = own_client.rows("SELECT * FROM evtrack.batch_status_at(%s, %s)", job, at)
        assert batches == {
            row["batch_no"]: (row["status"], row["attempt"], row["version"], row["item_count"]) for row in rows
        }
        assert progress == sums(own_client, job, f"job_progress_at({job}, '{at.isoformat()}')")


def test_the_status_of_a_batch_at_a_time_comes_from_its_events(own_client: Client, run: Any) -> None:
    job, worker = own_client.job(2, items=2), own_client.worker()
    before = own_client.one("SELECT clock_timestamp()")
    own_client.complete(worker, own_client.claim(worker, job))
    shown = run("status", str(job), "--at", before.isoformat()).stdout
    assert "sealed, 0.0 %" in shown
    assert "0 done" in shown
    assert "4 pending" in shown
    assert 4 == json.loads(run("status", str(job), "--at", "2999-01-01", "--json").stdout)["done"]
    early = (before - timedelta(days=1)).isoformat()
    assert "did not exist yet" in run("status", str(job), "--at", early, code=1).stderr
    assert "is not a time" in run("status", str(job), "--at", "yesterday", code=2).stderr
    assert "--at needs a JOB" in run("status", "--at", early, code=2).stderr


@pytest.mark.parametrize("beyond", ["9999-12-31 23:59:59-14", "0001-01-01 00:00:00+14"])
def test_a_time_beyond_the_calendar_is_refused(run: Any, beyond: str) -> None:
    said = run("status", "1", "--at", beyond, code=2).stderr
    assert f"'{beyond}' must be between 0001-01-01 00:00:00+00 and" in said


def test_the_timeline_is_drawn_as_a_chart(own_client: Client, run: Any, tmp_path: Path) -> None:
    job, worker = own_client.job(6, items=2, max_errors=1), own_client.worker()
    one, *rest = own_client.claim(worker, job)
    own_client.fail(worker, [one])
    own_client.complete(worker, rest)
    # As if it had begun two minutes before.
    own_client.conn.execute(
        "INSERT INTO evtrack.progress (job_id, shard, bucket, pending_items, completed_items) SELECT job_id, -1,"
        " min(bucket) - 12, 4, -4 FROM evtrack.progress WHERE job_id = %s GROUP BY job_id",
        [job],
    )
    course = json.loads(run("history", str(job), "--json").stdout)
    assert (10, 2) == (course[-1]["done"] + 4, course[-1]["failed"])
    shown = run("history", str(job)).stdout
    assert "█ done" in shown
    # The last moment, whole in 80 columns; the legend stands below it.
    assert "x" in shown.splitlines()[-2]
    assert re.search(r"\d\d:\d\d:\d\d", shown.splitlines()[-2])
    assert "…" not in shown
    chart = tmp_path / "course.svg"
    run("history", str(job), "--svg", str(chart))
    root = ET.parse(chart).getroot()  # noqa: S314  # our own file
    assert "{http://www.w3.org/2000/svg}svg" == root.tag
    assert 6 == len(root.findall("{http://www.w3.org/2000/svg}polygon"))
    refused = run("history", str(job), "--svg", str(tmp_path / "nowhere" / "course.svg"), code=1).stderr
    assert "nowhere" in refused
    assert "Traceback" not in refused
    assert "There is no job 99" in run("history", "99", code=1).stderr


def test_a_dash_writes_only_the_chart_to_stdout(
    own_client: Client, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job, empty = (
        own_client.job(2, items=2),
        own_client.one("SELECT job_id FROM evtrack.create_job(%s)", own_client.handler),
    )
    said = run("history", str(job), "--svg", "-")
    assert "{http://www.w3.org/2000/svg}svg" == ET.fromstring(said.stdout).tag  # noqa: S314  # our own chart
    assert [] == list(tmp_path.iterdir())
    nothing = run("history", str(empty), "--svg", "-")
    assert ("", f"Job {empty} has no items yet.\n") == (nothing.stdout, nothing.stderr)
    both = run("history", str(job), "--svg", "-", "--json", code=2)
    assert ("", True) == (both.stdout, "use one, or give --svg a file" in both.stderr)
    empty_name = run("history", str(job), "--svg", "", code=2)
    assert "The file name is empty; use - for standard output" in empty_name.stderr
