"""Work is overdue and nobody offers its handler: an alert, an unhealthy system, and how to find out about workers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from client import Client
from command_line import evtrack
from evtrack.domain.alerts.condition_alerts import NoWorker, QueueDeep
from evtrack.domain.alerts.models import alert_from

pytestmark = pytest.mark.integration

CHECK = "SELECT evtrack.check_alerts()"


def overdue_job(queue: Client, **policy: Any) -> int:
    """Submit a job five minutes ago."""
    job = queue.job(3, items=2, **policy)
    queue.conn.execute(
        "UPDATE evtrack.batch SET enqueued_at = enqueued_at - interval '5 minutes' WHERE job_id = %s", [job]
    )
    return job


def alerts(queue: Client) -> list[dict[str, Any]]:
    """Return the alerts about missing workers."""
    return queue.rows("SELECT * FROM evtrack.alert WHERE kind = 'no_worker' ORDER BY alert_id")


def test_overdue_work_without_a_worker_raises_one_alert_and_is_cleared_by_a_worker(queue: Client, dsn: str) -> None:
    queue.job()
    queue.one(CHECK)
    assert [] == alerts(queue), "work that was only just submitted is not overdue"
    jobs = [overdue_job(queue), overdue_job(queue)]
    told = evtrack("watch", "--once", "--dsn", dsn)
    (line,) = [json.loads(line) for line in told.stdout.splitlines()]
    assert {
        "event": "no_worker",
        "level": "error",
        "handler": "scripted",
        "jobs": 2,
        "batches": 6,
        "example_job_id": jobs[0],
        "workers": 0,
        "next": "evtrack workers --all --handler scripted",
    }.items() <= line.items()
    assert line["waited_s"] > 299
    queue.one(CHECK)
    (row,) = alerts(queue)
    assert row["cleared_at"] is None
    queue.worker()
    queue.one(CHECK)
    (row,) = alerts(queue)
    assert row["cleared_at"] is not None


def test_a_worker_for_another_handler_does_not_count(queue: Client) -> None:
    overdue_job(queue)
    queue.worker("other")
    queue.one(CHECK)
    (row,) = alerts(queue)
    assert 1 == row["facts"]["workers"]


def test_a_worker_that_was_lost_does_not_count(queue: Client, run: Callable[..., Result]) -> None:
    overdue_job(queue)
    worker = queue.worker()
    queue.one(CHECK)
    assert [] == alerts(queue)
    queue.conn.execute("UPDATE evtrack.worker SET lost_at = now() WHERE worker_id = %s", [worker])
    queue.one(CHECK)
    assert 1 == len(alerts(queue))
    assert run("health", code=2)


def test_a_watcher_may_wait_shorter_than_the_default(queue: Client) -> None:
    job = queue.job()
    queue.conn.execute("UPDATE evtrack.batch SET enqueued_at = now() - interval '20 s' WHERE job_id = %s", [job])
    sooner = "SELECT evtrack.check_alerts(no_worker => '%s s')"
    for pause, expected in ((25, 0), (10, 1)):
        queue.conn.execute(sooner % pause)  # type: ignore[arg-type]
        assert expected == len(alerts(queue))


def test_a_job_may_allow_for_more_time_than_the_watcher(queue: Client) -> None:
    for start_within_s, expected in ((61, 0), (5, 1)):
        job = queue.job(start_within_s=start_within_s)
        queue.conn.execute("UPDATE evtrack.batch SET enqueued_at = now() - interval '20 s' WHERE job_id = %s", [job])
        queue.conn.execute("SELECT evtrack.check_alerts(no_worker => '10 s')")
        assert expected == len(alerts(queue))


def test_patience_is_the_jobs_and_the_watchers(queue: Client) -> None:
    overdue_job(queue, start_within_s=600)
    queue.one(CHECK)
    assert [] == alerts(queue)
    overdue_job(queue)
    queue.one("SELECT evtrack.check_alerts(no_worker => '10 minutes')")
    assert [] == alerts(queue)
    queue.one("SELECT evtrack.suspend(job_id) FROM evtrack.job ORDER BY job_id DESC LIMIT 1")
    queue.one(CHECK)
    assert [] == alerts(queue), "a suspended job waits for its operator"


def test_overdue_work_without_a_worker_is_unhealthy(queue: Client, run: Callable[..., Result]) -> None:
    queue.job()
    assert run("health", code=0)
    overdue_job(queue)
    first, *_ = run("health", code=2).stdout.splitlines()
    assert "unhealthy: 1 job is overdue, and no worker offers the handler: evtrack doctor" == first
    found = json.loads(run("health", "--json", code=2).stdout)
    assert (False, 1, 2) == (found["healthy"], found["overdue"], found["no_worker"])
    queue.worker()
    assert run("health", code=0)


def test_the_next_step_quotes_a_handlers_name() -> None:
    head = {"level": "error", "timestamp": "2026-11-25T01:02:03Z", "alert_id": 5, "batches": 1, "handler": "a b;c"}
    for kind, model in (("no_worker", NoWorker), ("queue_deep", QueueDeep)):
        alert = alert_from({**head, "event": kind})
        assert isinstance(alert, model)
        assert alert.next.endswith("--handler 'a b;c'")


def test_a_lost_workers_next_step_shows_why_it_was_lost_and_who_does_its_work(
    queue: Client, dsn: str, run: Callable[..., Result], run_json: Callable[..., Any]
) -> None:
    job = queue.job(3)
    lost = queue.one("SELECT evtrack.register_worker('night shift', 'host-7', 4711, 2, '{scripted}', '0')")
    queue.claim(lost, job)
    queue.conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 hour'")
    told = evtrack("watch", "--once", "--lease", "2", "--dsn", dsn)
    (line,) = [json.loads(line) for line in told.stdout.splitlines()]
    assert ("worker_lost", f"evtrack workers {lost}") == (line["event"], line["next"])
    assert "No live workers" in run("workers").stdout
    shown = " ".join(run(*line["next"].split()[1:]).stdout.split())
    for fact in (
        "night shift",
        f"Worker {lost} (night shift) was lost",
        "no heartbeat",
        "It held 3 batches, which returned to the queue.",
        "No live worker offers scripted now. Start one: evtrack work --import MODULE --handler scripted",
        "look on host-7 at the log of process 4711",
    ):
        assert fact in shown
    other = queue.worker()
    assert "1 live worker offers scripted now." in " ".join(run("workers", str(lost)).stdout.split())
    assert ("no heartbeat", 3, 1) == tuple(
        run_json("workers", str(lost))[0][name] for name in ("why", "batches", "others")
    )
    assert [other] == [row["worker_id"] for row in run_json("workers", "--handler", "scripted")]
    assert {lost, other} == {row["worker_id"] for row in run_json("workers", "--handler", "scripted", "--all")}
    assert "No worker has offered the handler ghost." in run("workers", "--all", "--handler", "ghost").stdout
    assert "No such workers." in run("workers", "1").stdout


def test_names_are_listed_where_they_say_more_than_host_and_process(queue: Client, run: Callable[..., Result]) -> None:
    queue.one("SELECT evtrack.register_worker('host-7:4711', 'host-7', 4711, 2, '{scripted}', '0')")
    assert "NAME" not in run("workers").stdout
    queue.one("SELECT evtrack.register_worker('night', 'host-7', 4712, 2, '{scripted}', '0')")
    assert "night" in run("workers").stdout
