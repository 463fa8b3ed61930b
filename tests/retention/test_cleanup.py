"""Cleanup drops whole finished days: what it deletes with them, and what keeps a day."""

from pathlib import Path

import pytest

from client import Client
from evtrack.domain.errors import JobDropped, NoSuchJob
from evtrack.runtime.retention.cleanup import Cleanup
from evtrack.runtime.retention.cleanup_result import DroppedDay, KeptDay
from evtrack.storage.queue import job_control
from evtrack.storage.reports import job_reports
from evtrack.storage.reports.batch_reports import batch_history
from evtrack.storage.retention import day_reader
from old_jobs import days_ago, ended_job, kept_days, old_job, partition_days, run_cleanup

pytestmark = pytest.mark.integration
DAY = days_ago(9)


def test_a_finished_day_is_dropped_and_leaves_a_ledger_line_per_job(own_client: Client) -> None:
    first, second, other_day = ended_job(own_client, DAY, 3, items=2), ended_job(own_client, DAY), days_ago(8)
    stays = ended_job(own_client, days_ago(0))
    ended_job(own_client, other_day)
    own_client.conn.execute("INSERT INTO evtrack.job_link SELECT job_id, 1, links FROM evtrack.job")
    before = partition_days(own_client)
    done = run_cleanup(own_client)
    assert [(DAY, 2, 5), (other_day, 1, 2)] == [(d.day, d.jobs, d.batches) for d in done if isinstance(d, DroppedDay)]
    assert before - {DAY, other_day} == partition_days(own_client)
    lines = own_client.rows("SELECT * FROM evtrack.dropped_job WHERE job_id = ANY(%s) ORDER BY job_id", [first, second])
    assert [first, second] == [line["job_id"] for line in lines]
    assert ({"completed": 3}, {"completed": 6}, "finished", None) == tuple(
        lines[0][name] for name in ("batches", "items", "phase", "archive")
    )
    # created, extended, sealed, finished, and three events a batch
    assert [13, 10] == [line["events"] for line in lines]
    for table in ("job", "job_link", "progress", "batch", "event", "payload", "result"):
        assert [stays] == [row["job_id"] for row in own_client.rows(f"SELECT DISTINCT job_id FROM evtrack.{table}")], (
            table
        )
    assert [] == run_cleanup(own_client)


@pytest.mark.parametrize("jobs", [4, 5])
def test_a_day_with_more_jobs_than_one_page_is_dropped(
    own_client: Client, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    monkeypatch.setattr(day_reader, "JOBS_AT_ONCE", 2)
    ended = [ended_job(own_client, DAY) for _ in range(jobs)]
    ended_job(own_client, days_ago(8))
    done = run_cleanup(own_client)
    assert [(DAY, jobs), (days_ago(8), 1)] == [(d.day, d.jobs) for d in done if isinstance(d, DroppedDay)]
    assert len(ended) + 1 == own_client.one("SELECT count(*) FROM evtrack.dropped_job")


def test_workers_are_deleted_with_the_last_day_that_can_refer_to_them(own_client: Client) -> None:
    early, late, alive = (own_client.worker() for _ in range(3))
    own_client.conn.execute(
        "UPDATE evtrack.worker SET stopped_at = now() - CASE worker_id WHEN %s THEN interval '9 days'"
        " ELSE interval '6 days' END WHERE worker_id IN (%s, %s)",
        [early, early, late],
    )
    ended_job(own_client, DAY)
    old_job(own_client, days_ago(8))
    run_cleanup(own_client)
    left = {row["worker_id"] for row in own_client.rows("SELECT worker_id FROM evtrack.worker")}
    assert {late, alive} <= left
    assert early not in left


def test_delivered_alerts_are_deleted_when_old_and_about_nothing_that_is_kept(own_client: Client) -> None:
    gone, stays = ended_job(own_client, DAY), old_job(own_client, days_ago(8))
    for subject, job, days, cleared in [
        ("of a dropped job", gone, 0, None),
        ("of a job that stays", stays, 9, None),
        ("old, of no job", None, 9, None),
        ("new, of no job", None, 0, None),
        ("old and over", None, 9, 9),
        ("old and just over", None, 9, 0),
        ("old and not over", None, 9, None),
    ]:
        own_client.conn.execute(
            "INSERT INTO evtrack.alert (kind, subject, occasion, severity, job_id, delivered_at, cleared_at) VALUES"
            " (%s, %s, '', 'error', %s, now() - %s * interval '1 day', now() - %s * interval '1 day')",
            ["queue_deep" if "over" in subject else "worker_lost", subject, job, days, cleared],
        )
    for subject in ("undelivered", "undelivered too"):
        own_client.conn.execute(
            "INSERT INTO evtrack.alert (kind, subject, occasion, severity, created_at)"
            " VALUES ('worker_lost', %s, '', 'error', now() - interval '99 days')",
            [subject],
        )
    own_client.conn.execute("UPDATE evtrack.job SET finished_at = now() - interval '8 days' WHERE job_id = %s", [gone])
    run_cleanup(own_client, older_than_s=7 * 86_400)
    left = {row["subject"] for row in own_client.rows("SELECT subject FROM evtrack.alert")}
    kept_ones = {"of a job that stays", "new, of no job", "old and just over", "old and not over"}
    assert {*kept_ones, "undelivered", "undelivered too"} == left


def test_workers_are_deleted_even_if_no_day_is_dropped(own_client: Client) -> None:
    early = own_client.worker()
    own_client.conn.execute("UPDATE evtrack.worker SET lost_at = now() - interval '9 days'")
    assert [] == run_cleanup(own_client, older_than_s=7 * 86_400)
    assert [] == own_client.rows("SELECT * FROM evtrack.worker WHERE worker_id = %s", early)


@pytest.mark.parametrize(
    ("state", "reason"),
    [("open", "open"), ("sealed", "sealed"), ("cancelled running", "running"), ("reopened", "sealed")],
)
def test_an_unfinished_job_keeps_its_day(own_client: Client, state: str, reason: str) -> None:
    ended_job(own_client, DAY)
    job = old_job(own_client, DAY, 2, max_errors=1)
    if state == "open":
        job = own_client.one("SELECT nextval('evtrack.job_id_seq')")
        own_client.conn.execute(
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)"
            " VALUES (%s, %s, 0, 1, 'created', '{\"handler\": \"h\"}')",
            [DAY, job],
        )
        own_client.conn.execute("SELECT evtrack.cancel(job_id) FROM evtrack.job WHERE phase = 'sealed'")
    if state != "sealed":
        worker = own_client.worker()
        claims = own_client.claim(worker, job, fresh=1)
        if state == "reopened":
            claims += own_client.claim(worker, job)
            own_client.fail(worker, claims)
            assert own_client.one("SELECT evtrack.finish_due(%s)", job)
            own_client.one("SELECT evtrack.retry(%s)", job)
        elif state == "cancelled running":
            own_client.one("SELECT evtrack.cancel(%s)", job)
    days = partition_days(own_client)
    assert [(DAY, "pinned", job)] == kept_days(run_cleanup(own_client))
    going, staying = Cleanup(conn=own_client.conn, older_than_s=0).plan()
    assert ([], [(DAY, "pinned", job)]) == (going, kept_days(list(staying)))
    assert f"job {job} " in staying[0].reason
    assert reason in staying[0].reason
    assert days == partition_days(own_client)
    assert [] == own_client.rows("SELECT * FROM evtrack.dropped_job")


def test_a_recent_end_keeps_a_day_however_old_it_is(own_client: Client) -> None:
    job = ended_job(own_client, days_ago(400))
    assert [(days_ago(400), "pinned", job)] == kept_days(run_cleanup(own_client, older_than_s=3600))
    # What ran when its job was cancelled ended after that.
    own_client.conn.execute(
        "UPDATE evtrack.job SET phase = 'cancelled', finished_at = NULL, cancelled_at = now() - interval '2 hours'"
    )
    assert [(days_ago(400), "pinned", job)] == kept_days(run_cleanup(own_client, older_than_s=3600))
    own_client.conn.execute("UPDATE evtrack.batch SET finished_at = now() - interval '2 hours'")
    (done,) = run_cleanup(own_client, older_than_s=3600)
    assert isinstance(done, DroppedDay)


def test_progress_is_reported_in_each_step(own_client: Client, tmp_path: Path) -> None:
    ended_job(own_client, DAY, items=2)
    told: list[tuple[str, int]] = []
    run_cleanup(own_client, tmp_path, with_payload=True, on_progress=lambda _, step, lines: told.append((step, lines)))
    # the log, the items and the results, and all three again
    wrote = [("events", 10), ("payloads", 4), ("results", 2)]
    assert [("jobs", 1), *wrote, *(("read back", lines) for _, lines in wrote)] == told


def test_today_is_never_dropped(own_client: Client) -> None:
    ended_job(own_client, days_ago(0))
    assert [] == run_cleanup(own_client)


def test_an_event_without_its_job_keeps_the_day(own_client: Client) -> None:
    job = ended_job(own_client, DAY)
    own_client.conn.execute("DELETE FROM evtrack.job WHERE job_id = %s", [job])
    assert [(DAY, "differs", job)] == kept_days(run_cleanup(own_client))


def test_a_wrong_count_keeps_the_day(own_client: Client) -> None:
    job = ended_job(own_client, DAY)
    own_client.conn.execute("UPDATE evtrack.batch SET version = version + 1 WHERE job_id = %s AND batch_no = 1", [job])
    assert [(DAY, "differs", job)] == kept_days(run_cleanup(own_client))


def test_an_event_changed_behind_the_triggers_keeps_the_day(own_client: Client) -> None:
    job = ended_job(own_client, DAY)
    part = f"evtrack.event_{DAY:%Y%m%d}"
    with own_client.conn.transaction():
        own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER ALL".encode())
        own_client.conn.execute(f"UPDATE {part} SET at = at + interval '1 microsecond' WHERE batch_no = 1".encode())
        own_client.conn.execute(f"ALTER TABLE {part} ENABLE ALWAYS TRIGGER event_immutable".encode())
    assert [(DAY, "differs", job)] == kept_days(run_cleanup(own_client))


def test_a_removed_event_keeps_the_day(own_client: Client) -> None:
    job = ended_job(own_client, DAY)
    ended_job(own_client, days_ago(8))
    part = f"evtrack.event_{DAY:%Y%m%d}"
    with own_client.conn.transaction():
        own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER ALL".encode())
        own_client.conn.execute(f"DELETE FROM {part} WHERE batch_no = 1 AND version = 2".encode())
        own_client.conn.execute(f"ALTER TABLE {part} ENABLE ALWAYS TRIGGER event_immutable".encode())
    done = run_cleanup(own_client)
    assert [(DAY, "differs", job)] == kept_days(done[:1])
    assert isinstance(done[0], KeptDay)
    assert "from version 1 to 3" in done[0].reason
    assert [days_ago(8)] == [day.day for day in done[1:] if isinstance(day, DroppedDay)]


def test_reads_of_a_dropped_job_say_where_it_went(own_client: Client) -> None:
    job = ended_job(own_client, DAY)
    run_cleanup(own_client)
    asks = [
        lambda: job_reports.job_status(own_client.conn, job),
        lambda: job_reports.job_progress(own_client.conn, job),
        lambda: job_reports.job_key(own_client.conn, job),
        lambda: batch_history(own_client.conn, job, 1),
        lambda: job_control.retry_job(own_client.conn, job, statuses=["failed"]),
    ]
    for ask in asks:
        with pytest.raises(JobDropped, match=f"Job {job} was dropped on .*, not archived"):
            ask()
    with pytest.raises(NoSuchJob, match="There is no job 4711"):
        job_reports.job_key(own_client.conn, 4711)
