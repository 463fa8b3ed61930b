"""Cleanup while retries, late results, readers or a second cleanup run."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from client import Claim, Client
from evtrack.domain.errors import CleanupRuns
from evtrack.runtime.retention.archive_check import check_archive
from evtrack.runtime.retention.cleanup_result import DroppedDay, KeptDay
from evtrack.storage.connection.connect import connect
from evtrack.storage.retention import day_reader
from old_jobs import days_ago, ended_job, kept_days, old_job, run_cleanup
from polling import eventually

pytestmark = pytest.mark.integration


DAY = days_ago(9)


def after_reading(act: Callable[[], object]) -> Callable[[object, str, int], None]:
    """Return a progress callback that acts when a cleanup has read the events."""
    return lambda _, step, __: act() if step == "events" else None  # type: ignore[func-returns-value]


def test_a_retry_while_the_day_is_read_keeps_the_day(own_client: Client, own_other: Client, tmp_path: Path) -> None:
    job, worker = old_job(own_client, DAY, 2, max_errors=1), own_client.worker()
    own_client.fail(worker, own_client.claim(worker, job))
    assert own_client.one("SELECT evtrack.finish_due(%s)", job)
    archive = tmp_path / "archive"
    done = run_cleanup(
        own_client, archive, on_progress=after_reading(lambda: own_other.one("SELECT evtrack.retry(%s)", job))
    )
    assert [(DAY, "changed", None)] == kept_days(done)
    assert 2 == len(own_client.claim(worker, job))
    assert [] == own_client.rows("SELECT * FROM evtrack.dropped_job")
    # The archive that was written for nothing gives way to that of the whole day.
    own_client.fail(worker, [Claim(job, 1, 2), Claim(job, 2, 2)])
    assert own_client.one("SELECT evtrack.finish_due(%s)", job)
    (dropped,) = run_cleanup(own_client, archive)
    assert isinstance(dropped, DroppedDay)
    manifest, differences = check_archive(archive / str(DAY))
    assert ([], dropped.events) == (differences, manifest and manifest.jobs[0].events)
    assert [str(DAY)] == [path.name for path in archive.iterdir()]


def test_a_retry_between_two_pages_keeps_the_day_and_the_next_day_is_dropped(
    own_client: Client, own_other: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, worker = old_job(own_client, DAY, 4, max_errors=1), own_client.worker()
    own_client.fail(worker, own_client.claim(worker, job, fresh=4))
    assert own_client.one("SELECT evtrack.finish_due(%s)", job)
    ended_job(own_client, days_ago(8))
    retried: list[int] = []

    def small_pages(jobs: list[day_reader.DayJob], table: day_reader.Table) -> Iterator[object]:
        for number, page in enumerate(pages(jobs, table, 5)):
            if number == 1 and jobs[0].job_id == job:
                retried.append(own_other.one("SELECT evtrack.retry(%s)", job))
            yield page

    pages = day_reader.pages
    monkeypatch.setattr(day_reader, "pages", small_pages)
    done = run_cleanup(own_client, tmp_path)
    assert [4] == retried
    assert [(DAY, "changed", job)] == kept_days(done[:1])
    assert [days_ago(8)] == [day.day for day in done[1:] if isinstance(day, DroppedDay)]
    assert [str(days_ago(8))] == [path.name for path in tmp_path.iterdir()]


def test_a_late_result_while_the_day_is_read_is_not_lost(own_client: Client, own_other: Client) -> None:
    job, worker = ended_job(own_client, DAY), own_client.worker()
    done = run_cleanup(own_client, on_progress=after_reading(lambda: own_other.complete(worker, [Claim(job, 1, 1)])))
    assert [(DAY, "changed", None)] == kept_days(done)
    assert "late_result" == own_client.types(job)[-1]
    (dropped,) = run_cleanup(own_client)
    assert isinstance(dropped, DroppedDay)
    assert 11 == dropped.events


def test_a_retry_that_waits_for_the_drop_finds_the_job_in_the_ledger(own_client: Client, own_other: Client) -> None:
    job = ended_job(own_client, DAY)
    snapshot = own_client.one("SELECT pg_current_snapshot()::text")
    with ThreadPoolExecutor(1) as pool:
        with own_client.conn.transaction():
            outcome = own_client.one(
                "SELECT evtrack.drop_day(%s, now(), %s::pg_snapshot, ARRAY[%s]::bigint[], '{10}', '{x}', '/a b')",
                DAY,
                snapshot,
                job,
            )
            assert "dropped" == outcome
            future = pool.submit(lambda: own_other.one("SELECT evtrack.retry(%s)", job))
            eventually(lambda: own_client.rows("SELECT 1 FROM pg_locks WHERE NOT granted") or future.done())
            assert not future.done()
        with pytest.raises(psycopg.Error, match=f"job {job} was dropped on .*, archived to /a b") as caught:
            future.result(10)
    assert "EV003" == caught.value.sqlstate


def test_a_retry_in_progress_finishes_before_the_drop(own_client: Client, own_other: Client) -> None:
    job, worker = old_job(own_client, DAY, max_errors=1), own_client.worker()
    own_client.fail(worker, own_client.claim(worker, job))
    assert own_client.one("SELECT evtrack.finish_due(%s)", job)
    with own_other.conn.transaction():
        own_other.one("SELECT evtrack.retry(%s)", job)
        assert [(DAY, "busy", None)] == kept_days(run_cleanup(own_client))
    assert [(DAY, "pinned", job)] == kept_days(run_cleanup(own_client))


def test_a_cleanup_does_not_queue_behind_users_of_the_log(own_client: Client, own_other: Client, dsn: str) -> None:
    ended_job(own_client, DAY)
    with connect(dsn, purpose="a long report") as reader, reader.transaction():
        reader.execute("SELECT FROM evtrack.event LIMIT 1")
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: run_cleanup(own_client))
            # Others write while it tries, again and again.
            while not future.done():
                own_other.conn.execute("SET statement_timeout = '5s'")
                ended_job(own_other, days_ago(0), 1)
            (busy,) = future.result()
    assert isinstance(busy, KeptDay)
    assert ("busy", True) == (busy.why, busy.needs_action)
    assert "a long report" in busy.reason
    (done,) = run_cleanup(own_client)
    assert isinstance(done, DroppedDay)


def test_a_second_cleanup_is_refused_while_the_first_runs(own_client: Client, own_other: Client) -> None:
    ended_job(own_client, DAY)
    met: list[CleanupRuns] = []

    def meet(*_: object) -> None:
        with pytest.raises(CleanupRuns, match="Another cleanup") as caught:
            run_cleanup(own_other)
        met.append(caught.value)

    run_cleanup(own_client, on_progress=meet)
    assert f"process {own_client.conn.info.backend_pid}" in str(met[0])
