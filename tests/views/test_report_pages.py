"""Lists are read page by page: each row once, in order, whatever the filter."""

from datetime import UTC, datetime, timedelta

import pytest

from client import Client
from evtrack.domain.errors import NoSuchJob
from evtrack.domain.hunt import hunt
from evtrack.domain.states import BatchStatus
from evtrack.storage.reports import batch_lists, hunt_tree, item_lists, job_lists, system_lists, trouble_lists
from evtrack.storage.reports.trouble_lists import CrashCursor

pytestmark = pytest.mark.integration


def batch_numbers(client: Client, job: int, status: str | None, *, limit: int) -> list[int]:
    """Read all pages of a job's batches."""
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = batch_lists.batches_page(client.conn, job, limit=limit, after=after, status=status)
        assert len(page.rows) <= limit
        found += [row.batch_no for row in page.rows]
        after = page.next
    return found


@pytest.fixture
def mixed(own_client: Client) -> int:
    """A job with batches of every status."""
    client = own_client
    worker, job = client.worker(), client.job(12, items=4, max_errors=1, max_crashes=1, backoff_s=0)
    claims = client.claim(worker, job, fresh=8)
    client.complete(worker, claims[:3])
    client.fail(worker, claims[3:5])
    client.crash(worker, claims[5:6], cause="signal", signal="SIGSEGV", ordinal=21, item_key="key:21")
    return job


def test_the_pages_have_each_batch_of_a_status_once(
    own_client: Client, mixed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = own_client.batches(mixed)
    for status in (None, *BatchStatus):
        expected = [number for number, batch in batches.items() if status is None or batch.status == status]
        # Running ones are looked for beside the place where claims go on: a short walk need not find all of them.
        for looked in (5000,) if status in {BatchStatus.PENDING, BatchStatus.RUNNING} else (4, 5000):
            monkeypatch.setattr(batch_lists, "LOOKED", looked)
            for limit in (1, 3, 100):
                assert expected == batch_numbers(own_client, mixed, status, limit=limit), (status, looked, limit)


def test_a_walk_says_how_far_it_looked(own_client: Client, mixed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_lists, "LOOKED", 2)
    page = batch_lists.batches_page(own_client.conn, mixed, status="cancelled", after=3)
    assert ([], 5, 4, 5) == (page.rows, page.next, page.looked_from, page.looked_to)


def test_pages_of_jobs_go_on_below_the_last(own_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [own_client.job() for _ in range(5)]
    other = Client(own_client.conn)
    odd = other.job()
    first = job_lists.jobs_page(own_client.conn, limit=2, handler=own_client.handler)
    assert jobs[:2:-1] == [job.job_id for job in first.rows]
    rest = job_lists.jobs_page(own_client.conn, before=first.next, phase="sealed")
    assert (jobs[2::-1], None) == ([job.job_id for job in rest.rows], rest.next)
    monkeypatch.setattr(job_lists, "LOOKED", 2)
    walked = job_lists.jobs_page(own_client.conn, before=odd, handler=other.handler)
    assert ([], jobs[3], odd, jobs[3]) == (walked.rows, walked.next, walked.looked_from, walked.looked_to)


def test_pages_of_crashes_go_on_behind_the_last(own_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client, worker = own_client, own_client.worker()
    jobs = [client.job(2, max_crashes=9, backoff_s=0) for _ in range(2)]
    for job in jobs:
        client.crash(worker, client.claim(worker, job))
    client.crash(worker, client.claim(worker, jobs[0], fresh=0), cause="exit", exit_code=3)
    expected = client.rows("SELECT job_id, batch_no, attempt FROM evtrack.crash ORDER BY at DESC, job_id DESC, 2 DESC")
    found, place = [], None
    for _ in range(10):
        page = trouble_lists.crashes_page(client.conn, before=place, limit=2)
        found += [{"job_id": row.job_id, "batch_no": row.batch_no, "attempt": row.attempt} for row in page.rows]
        if (place := page.next) is None:
            break
    assert expected == found
    assert len(found) == 6
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    def crashes(**filters: object) -> int:
        return len(trouble_lists.crashes_page(client.conn, **filters).rows)  # type: ignore[arg-type]

    assert [6, 0, 4, 2, 2, 0, 6, 0, 0] == [
        crashes(day=today), crashes(day=today - timedelta(days=1)), crashes(job_id=jobs[0]), crashes(job_id=jobs[1]),
        crashes(cause="exit"), crashes(job_id=jobs[1], cause="exit"), crashes(handler=client.handler, worker_id=worker),
        crashes(handler="nobody's"), crashes(worker_id=worker + 1),
    ]  # fmt: skip
    causes = trouble_lists.crash_causes(client.conn, jobs[0])
    assert [("exit", None, 3, 2), ("signal", "SIGSEGV", None, 2)] == [
        (cause.cause, cause.signal, cause.exit_code, cause.crashes) for cause in causes
    ]
    monkeypatch.setattr(trouble_lists, "LOOKED", 2)
    page = trouble_lists.crashes_page(client.conn, handler="nobody's")
    assert page.next == CrashCursor(
        *(client.rows("SELECT at, job_id, batch_no FROM evtrack.crashes_before()")[1].values())
    )


def test_errors_are_grouped_by_fingerprint(own_client: Client) -> None:
    client, worker = own_client, own_client.worker()
    job = client.job(4, max_errors=1)
    for claim, message in zip(client.claim(worker, job), ["no page 1", "no page 22", "no 'x'", "no 'y'"], strict=True):
        client.fail(worker, [claim], {"type": "ValueError", "message": message})
    found = trouble_lists.latest_errors(client.conn, job)
    assert (4, True) == (found.failures, found.is_all)
    summary = client.view("error_summary", job)
    assert {(row["fingerprint"], row["failures"]) for row in summary} == {
        (kind.fingerprint, kind.failures) for kind in found.kinds
    }
    page = "SELECT batch_no, at, data #>> '{error,message}' AS message FROM evtrack.failures_before(%s, %s, %s, 3)"
    first = client.rows(page, job, None, None)
    rest = client.rows(page, job, first[-1]["at"], first[-1]["batch_no"])
    assert ([4, 3, 2], [(1, "no page 1")]) == (
        [row["batch_no"] for row in first],
        [(row["batch_no"], row["message"]) for row in rest],
    )


def test_the_map_counts_as_the_daily_crash_rate_does(own_client: Client, mixed: int) -> None:
    client, worker = own_client, own_client.worker()
    client.complete(worker, client.claim(worker, mixed))
    (day,) = client.rows("SELECT * FROM evtrack.crash_rate_daily")
    (cell,) = trouble_lists.crash_map(client.conn)
    assert client.handler == cell.handler
    for name in ("day", "attempts", "completed", "failed", "crashed", "workers_lost"):
        assert day[name] == getattr(cell, name), name


def test_a_hunt_is_listed_until_nothing_is_suspect(own_client: Client) -> None:
    client, worker = own_client, own_client.worker()
    job = client.job(1, items=4, backoff_s=0)
    client.crash(worker, client.claim(worker, job))
    (found,) = trouble_lists.hunts(client.conn)
    assert (job, 1, 4, 4, 1, 0) == (
        found.job_id, found.root_no, found.item_count, found.suspects, found.crashes, found.poison
    )  # fmt: skip
    tree = hunt_tree.hunt_tree(client.conn, job, 1)
    folded = hunt(tree.streams, 1)
    assert (found.suspect_batches, 1, 2) == (len(folded.suspects), folded.crashes, tree.max_crashes)
    while claims := client.claim(worker, job):
        client.complete(worker, claims)
    assert [] == trouble_lists.hunts(client.conn)
    assert [True] == [each.is_over for each in trouble_lists.hunts(client.conn, job_id=job, under_way=False)]
    with pytest.raises(NoSuchJob, match="no batch 99"):
        hunt_tree.hunt_tree(client.conn, job, 99)


def test_an_item_is_found_in_all_jobs(own_client: Client, mixed: int) -> None:
    client = own_client
    later = client.job(2, items=16)
    places = item_lists.items_by_key(client.conn, "key:21")
    assert [later, mixed] == [place.job_id for place in places]
    assert ["pending", "crashed"] == [place.status for place in places]
    first = item_lists.items_by_key(client.conn, "key:21", limit=1)[0]
    rest = item_lists.items_by_key(client.conn, "key:21", before=item_lists.ItemCursor(first.job_id, first.ordinal))
    assert [mixed] == [place.job_id for place in rest]
    assert [(mixed, "key:21")] == [
        (crash.job_id, crash.item_key) for crash in item_lists.item_crashes(client.conn, places)
    ]
    assert [] == item_lists.item_crashes(client.conn, [])


def test_an_item_has_the_crashes_of_all_batches_that_held_it(own_client: Client) -> None:
    client = own_client
    worker, job = client.worker(), client.job(1, items=2, backoff_s=0)
    named = {"cause": "signal", "signal": "SIGSEGV", "item_key": "key:1"}
    client.crash(worker, client.claim(worker, job), **named)
    alone = next(claim for claim in client.claim(worker, job) if claim.batch_no == 2)
    client.crash(worker, [alone], **named, ordinal=1)
    places = item_lists.items_by_key(client.conn, "key:1", job_id=job)
    assert [(2, 1), (1, None)] == [
        (crash.batch_no, crash.ordinal) for crash in item_lists.item_crashes(client.conn, places)
    ]
    others = item_lists.items_by_key(client.conn, "key:2", job_id=job)
    assert [] == item_lists.item_crashes(client.conn, others)


def test_alerts_workers_and_sizes_are_listed(own_client: Client, mixed: int) -> None:
    client, worker = own_client, own_client.worker()
    first = system_lists.alerts_page(client.conn, limit=1)
    rest = system_lists.alerts_page(client.conn, before=first.next)
    kinds = {alert.kind for alert in (*first.rows, *rest.rows)}
    assert {mixed} == {alert.job_id for alert in (*first.rows, *rest.rows)}
    assert "batch_failed" in kinds
    assert ["batch_failed"] == [
        alert.kind for alert in system_lists.alerts_page(client.conn, kind="batch_failed", undelivered=True).rows
    ]
    assert [worker] == [
        row.worker_id for row in system_lists.workers_page(client.conn, before=worker + 1, limit=1).rows
    ]
    assert "event" in {size.table_name for size in system_lists.table_sizes(client.conn)}
    today = system_lists.stored_days(client.conn)[0]
    assert (datetime.now(UTC).date(), 1, 1, mixed) == (today.job_day, today.jobs, today.unfinished, today.pinned_by)


def test_the_slowest_are_of_the_latest(own_client: Client, mixed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slowest = batch_lists.slowest_batches(own_client.conn, mixed, batches=12, limit=2)
    assert [0.5, 0.5] == [row.run_s for row in slowest]
    monkeypatch.setattr(batch_lists, "LOOKED", 10)
    assert [3] == [row.batch_no for row in batch_lists.slowest_batches(own_client.conn, mixed, batches=12, limit=1)]
