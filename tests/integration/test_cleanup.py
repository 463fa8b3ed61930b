"""Cleanup drops whole days that are over, and nothing else: what pins a day, what comes in between, what is left."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from aging import aged_job, days_ago, days_of, ended_job
from cleaning import clean, kept
from client import Claim, Client
from evtrack.domain.errors import CleanupRuns, JobDropped, NoSuchJob
from evtrack.runtime.retention.checking import check
from evtrack.runtime.retention.cleanup import Cleanup
from evtrack.runtime.retention.outcome import Dropped, Kept
from evtrack.storage import control, day_view, reports
from evtrack.storage.database import connect
from evtrack.storage.stories import batch_story
from helpers import eventually

pytestmark = pytest.mark.db
DAY = days_ago(9)


def after_reading(act: Callable[[], object]) -> Callable[[object, str, int], None]:
    """Return what acts when a cleanup tells that the log has been read."""
    return lambda _, step, __: act() if step == "events" else None  # type: ignore[func-returns-value]


def test_a_day_that_is_over_goes_and_leaves_a_line_a_job(client: Client) -> None:
    first, second, other_day = ended_job(client, DAY, 3, items=2), ended_job(client, DAY), days_ago(8)
    stays = ended_job(client, days_ago(0))
    ended_job(client, other_day)
    client.conn.execute("INSERT INTO evtrack.job_link SELECT job_id, 1, links FROM evtrack.job")
    before = days_of(client)
    done = clean(client)
    assert [(DAY, 2, 5), (other_day, 1, 2)] == [(d.day, d.jobs, d.batches) for d in done if isinstance(d, Dropped)]
    assert before - {DAY, other_day} == days_of(client)
    lines = client.rows("SELECT * FROM evtrack.dropped_job WHERE job_id = ANY(%s) ORDER BY job_id", [first, second])
    assert [first, second] == [line["job_id"] for line in lines]
    assert ({"completed": 3}, {"completed": 6}, "finished", None) == tuple(
        lines[0][name] for name in ("batches", "items", "phase", "archive")
    )
    # created, extended, sealed, finished, and three events a batch
    assert [13, 10] == [line["events"] for line in lines]
    for table in ("job", "job_link", "progress", "batch", "event", "payload", "result"):
        assert [stays] == [row["job_id"] for row in client.rows(f"SELECT DISTINCT job_id FROM evtrack.{table}")], table
    assert [] == clean(client)


@pytest.mark.parametrize("jobs", [4, 5])
def test_a_day_of_more_jobs_than_are_read_at_once(client: Client, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    monkeypatch.setattr(day_view, "JOBS_AT_ONCE", 2)
    ended = [ended_job(client, DAY) for _ in range(jobs)]
    ended_job(client, days_ago(8))
    done = clean(client)
    assert [(DAY, jobs), (days_ago(8), 1)] == [(d.day, d.jobs) for d in done if isinstance(d, Dropped)]
    assert len(ended) + 1 == client.one("SELECT count(*) FROM evtrack.dropped_job")


def test_workers_go_with_the_last_day_that_may_name_them(client: Client) -> None:
    early, late, alive = (client.worker() for _ in range(3))
    client.conn.execute(
        "UPDATE evtrack.worker SET stopped_at = now() - CASE worker_id WHEN %s THEN interval '9 days'"
        " ELSE interval '6 days' END WHERE worker_id IN (%s, %s)",
        [early, early, late],
    )
    ended_job(client, DAY)
    aged_job(client, days_ago(8))
    clean(client)
    left = {row["worker_id"] for row in client.rows("SELECT worker_id FROM evtrack.worker")}
    assert {late, alive} <= left
    assert early not in left


def test_alerts_that_were_told_go_when_they_are_old_and_of_nothing_that_is_kept(client: Client) -> None:
    gone, stays = ended_job(client, DAY), aged_job(client, days_ago(8))
    for subject, job, days, cleared in [
        ("of a dropped job", gone, 0, None),
        ("of a job that stays", stays, 9, None),
        ("old, of no job", None, 9, None),
        ("new, of no job", None, 0, None),
        ("old and over", None, 9, 9),
        ("old and just over", None, 9, 0),
        ("old and not over", None, 9, None),
    ]:
        client.conn.execute(
            "INSERT INTO evtrack.alert (kind, subject, occasion, severity, job_id, delivered_at, cleared_at) VALUES"
            " (%s, %s, '', 'error', %s, now() - %s * interval '1 day', now() - %s * interval '1 day')",
            ["queue_deep" if "over" in subject else "worker_lost", subject, job, days, cleared],
        )
    for subject in ("undelivered", "undelivered too"):
        client.conn.execute(
            "INSERT INTO evtrack.alert (kind, subject, occasion, severity, created_at)"
            " VALUES ('worker_lost', %s, '', 'error', now() - interval '99 days')",
            [subject],
        )
    client.conn.execute("UPDATE evtrack.job SET finished_at = now() - interval '8 days' WHERE job_id = %s", [gone])
    clean(client, older_than_s=7 * 86_400)
    left = {row["subject"] for row in client.rows("SELECT subject FROM evtrack.alert")}
    kept_ones = {"of a job that stays", "new, of no job", "old and just over", "old and not over"}
    assert {*kept_ones, "undelivered", "undelivered too"} == left


def test_workers_go_also_where_no_day_does(client: Client) -> None:
    early = client.worker()
    client.conn.execute("UPDATE evtrack.worker SET lost_at = now() - interval '9 days'")
    assert [] == clean(client, older_than_s=7 * 86_400)
    assert [] == client.rows("SELECT * FROM evtrack.worker WHERE worker_id = %s", early)


@pytest.mark.parametrize(
    ("state", "reason"),
    [("open", "open"), ("sealed", "sealed"), ("cancelled running", "running"), ("reopened", "sealed")],
)
def test_a_job_that_is_not_over_pins_its_day(client: Client, state: str, reason: str) -> None:
    ended_job(client, DAY)
    job = aged_job(client, DAY, 2, max_errors=1)
    if state == "open":
        job = client.one("SELECT nextval('evtrack.job_id_seq')")
        client.conn.execute(
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)"
            " VALUES (%s, %s, 0, 1, 'created', '{\"handler\": \"h\"}')",
            [DAY, job],
        )
        client.conn.execute("SELECT evtrack.cancel(job_id) FROM evtrack.job WHERE phase = 'sealed'")
    if state != "sealed":
        worker = client.worker()
        claims = client.claim(worker, job, fresh=1)
        if state == "reopened":
            claims += client.claim(worker, job)
            client.fail(worker, claims)
            assert client.one("SELECT evtrack.finish_due(%s)", job)
            client.one("SELECT evtrack.retry(%s)", job)
        elif state == "cancelled running":
            client.one("SELECT evtrack.cancel(%s)", job)
    days = days_of(client)
    assert [(DAY, "pinned", job)] == kept(clean(client))
    going, staying = Cleanup(conn=client.conn, older_than_s=0).plan()
    assert ([], [(DAY, "pinned", job)]) == (going, kept(list(staying)))
    assert f"job {job} " in staying[0].reason
    assert reason in staying[0].reason
    assert days == days_of(client)
    assert [] == client.rows("SELECT * FROM evtrack.dropped_job")


def test_what_ended_lately_pins_its_day_however_old(client: Client) -> None:
    job = ended_job(client, days_ago(400))
    assert [(days_ago(400), "pinned", job)] == kept(clean(client, older_than_s=3600))
    # What ran when its job was cancelled ended after that.
    client.conn.execute(
        "UPDATE evtrack.job SET phase = 'cancelled', finished_at = NULL, cancelled_at = now() - interval '2 hours'"
    )
    assert [(days_ago(400), "pinned", job)] == kept(clean(client, older_than_s=3600))
    client.conn.execute("UPDATE evtrack.batch SET finished_at = now() - interval '2 hours'")
    (done,) = clean(client, older_than_s=3600)
    assert isinstance(done, Dropped)


def test_it_tells_how_far_it_is_in_each_step(client: Client, tmp_path: Path) -> None:
    ended_job(client, DAY, items=2)
    told: list[tuple[str, int]] = []
    clean(client, tmp_path, with_payload=True, told=lambda _, step, lines: told.append((step, lines)))
    # the log, the items and the results, and all three again
    wrote = [("events", 10), ("payloads", 4), ("results", 2)]
    assert [("jobs", 1), *wrote, *(("read back", lines) for _, lines in wrote)] == told


def test_today_is_never_dropped(client: Client) -> None:
    ended_job(client, days_ago(0))
    assert [] == clean(client)


def test_a_retry_while_the_day_is_read_keeps_it(client: Client, other: Client, tmp_path: Path) -> None:
    job, worker = aged_job(client, DAY, 2, max_errors=1), client.worker()
    client.fail(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    archive = tmp_path / "archive"
    done = clean(client, archive, told=after_reading(lambda: other.one("SELECT evtrack.retry(%s)", job)))
    assert [(DAY, "changed", None)] == kept(done)
    assert 2 == len(client.claim(worker, job))
    assert [] == client.rows("SELECT * FROM evtrack.dropped_job")
    # The archive that was written for nothing gives way to that of the whole day.
    client.fail(worker, [Claim(job, 1, 2), Claim(job, 2, 2)])
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    (dropped,) = clean(client, archive)
    assert isinstance(dropped, Dropped)
    manifest, differences = check(archive / str(DAY))
    assert ([], dropped.events) == (differences, manifest and manifest.jobs[0].events)
    assert [str(DAY)] == [path.name for path in archive.iterdir()]


def test_a_retry_between_two_pages_keeps_the_day_and_the_next_one_goes(
    client: Client, other: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, worker = aged_job(client, DAY, 4, max_errors=1), client.worker()
    client.fail(worker, client.claim(worker, job, fresh=4))
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    ended_job(client, days_ago(8))
    retried: list[int] = []

    def small_pages(jobs: list[day_view.DayJob], table: day_view.Table) -> Iterator[object]:
        for number, page in enumerate(pages(jobs, table, 5)):
            if number == 1 and jobs[0].job_id == job:
                retried.append(other.one("SELECT evtrack.retry(%s)", job))
            yield page

    pages = day_view.pages
    monkeypatch.setattr(day_view, "pages", small_pages)
    done = clean(client, tmp_path)
    assert [4] == retried
    assert [(DAY, "changed", job)] == kept(done[:1])
    assert [days_ago(8)] == [day.day for day in done[1:] if isinstance(day, Dropped)]
    assert [str(days_ago(8))] == [path.name for path in tmp_path.iterdir()]


def test_a_late_result_while_the_day_is_read_is_not_lost(client: Client, other: Client) -> None:
    job, worker = ended_job(client, DAY), client.worker()
    done = clean(client, told=after_reading(lambda: other.complete(worker, [Claim(job, 1, 1)])))
    assert [(DAY, "changed", None)] == kept(done)
    assert "late_result" == client.types(job)[-1]
    (dropped,) = clean(client)
    assert isinstance(dropped, Dropped)
    assert 11 == dropped.events


def test_a_retry_that_waits_for_the_drop_finds_the_job_in_the_ledger(client: Client, other: Client) -> None:
    job = ended_job(client, DAY)
    snapshot = client.one("SELECT pg_current_snapshot()::text")
    with ThreadPoolExecutor(1) as pool:
        with client.conn.transaction():
            outcome = client.one(
                "SELECT evtrack.drop_day(%s, now(), %s::pg_snapshot, ARRAY[%s]::bigint[], '{10}', '{x}', '/a b')",
                DAY,
                snapshot,
                job,
            )
            assert "dropped" == outcome
            future = pool.submit(lambda: other.one("SELECT evtrack.retry(%s)", job))
            eventually(lambda: client.rows("SELECT 1 FROM pg_locks WHERE NOT granted") or future.done())
            assert not future.done()
        with pytest.raises(psycopg.Error, match=f"job {job} was dropped on .*, archived to /a b") as caught:
            future.result(10)
    assert "EV003" == caught.value.sqlstate


def test_a_retry_under_way_goes_before_the_drop(client: Client, other: Client) -> None:
    job, worker = aged_job(client, DAY, max_errors=1), client.worker()
    client.fail(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    with other.conn.transaction():
        other.one("SELECT evtrack.retry(%s)", job)
        assert [(DAY, "busy", None)] == kept(clean(client))
    assert [(DAY, "pinned", job)] == kept(clean(client))


def test_an_event_without_its_job_keeps_the_day(client: Client) -> None:
    job = ended_job(client, DAY)
    client.conn.execute("DELETE FROM evtrack.job WHERE job_id = %s", [job])
    assert [(DAY, "differs", job)] == kept(clean(client))


def test_a_count_that_does_not_fit_keeps_the_day(client: Client) -> None:
    job = ended_job(client, DAY)
    client.conn.execute("UPDATE evtrack.batch SET version = version + 1 WHERE job_id = %s AND batch_no = 1", [job])
    assert [(DAY, "differs", job)] == kept(clean(client))


def test_an_event_that_was_changed_behind_the_triggers_keeps_the_day(client: Client) -> None:
    job = ended_job(client, DAY)
    part = f"evtrack.event_{DAY:%Y%m%d}"
    with client.conn.transaction():
        client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER ALL".encode())
        client.conn.execute(f"UPDATE {part} SET at = at + interval '1 microsecond' WHERE batch_no = 1".encode())
        client.conn.execute(f"ALTER TABLE {part} ENABLE ALWAYS TRIGGER event_immutable".encode())
    assert [(DAY, "differs", job)] == kept(clean(client))


def test_an_event_that_was_taken_away_keeps_the_day(client: Client) -> None:
    job = ended_job(client, DAY)
    ended_job(client, days_ago(8))
    part = f"evtrack.event_{DAY:%Y%m%d}"
    with client.conn.transaction():
        client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER ALL".encode())
        client.conn.execute(f"DELETE FROM {part} WHERE batch_no = 1 AND version = 2".encode())
        client.conn.execute(f"ALTER TABLE {part} ENABLE ALWAYS TRIGGER event_immutable".encode())
    done = clean(client)
    assert [(DAY, "differs", job)] == kept(done[:1])
    assert isinstance(done[0], Kept)
    assert "from version 1 to 3" in done[0].reason
    assert [days_ago(8)] == [day.day for day in done[1:] if isinstance(day, Dropped)]


def test_who_uses_the_log_is_not_waited_for_in_line(client: Client, other: Client, dsn: str) -> None:
    ended_job(client, DAY)
    with connect(dsn, purpose="a long report") as reader, reader.transaction():
        reader.execute("SELECT FROM evtrack.event LIMIT 1")
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: clean(client))
            # Others write while it tries, again and again.
            while not future.done():
                other.conn.execute("SET statement_timeout = '5s'")
                ended_job(other, days_ago(0), 1)
            (busy,) = future.result()
    assert isinstance(busy, Kept)
    assert ("busy", True) == (busy.why, busy.is_fault)
    assert "a long report" in busy.reason
    (done,) = clean(client)
    assert isinstance(done, Dropped)


def test_a_second_cleanup_is_told_of_the_first(client: Client, other: Client) -> None:
    ended_job(client, DAY)
    met: list[CleanupRuns] = []

    def meet(*_: object) -> None:
        with pytest.raises(CleanupRuns, match="Another cleanup") as caught:
            clean(other)
        met.append(caught.value)

    clean(client, told=meet)
    assert f"process {client.conn.info.backend_pid}" in str(met[0])


def test_reads_of_a_dropped_job_say_where_it_went(client: Client) -> None:
    job = ended_job(client, DAY)
    clean(client)
    asks: list[Callable[[], object]] = [
        lambda: reports.job_status(client.conn, job),
        lambda: reports.job_progress(client.conn, job),
        lambda: reports.job_key(client.conn, job),
        lambda: batch_story(client.conn, job, 1),
        lambda: control.retry_job(client.conn, job, statuses=["failed"]),
    ]
    for ask in asks:
        with pytest.raises(JobDropped, match=f"Job {job} was dropped on .*, not archived"):
            ask()
    with pytest.raises(NoSuchJob, match="There is no job 4711"):
        reports.job_key(client.conn, 4711)
