"""The claim and the reports use their indexes, however many batches are finished."""

from collections.abc import Iterator

import pytest

import plans
from client import Claim, Client
from evtrack.storage.connection.connect import connect
from evtrack.storage.reports.batch_reports import latest_crashes
from evtrack.storage.reports.system_health import health, recent_sums
from plans import Plan, blocks, nodes, rows_read, scans
from polling import eventually
from servers import cloned

pytestmark = pytest.mark.integration

CHUNK = 10_000

FRESH = """
WITH j AS (SELECT * FROM evtrack.job WHERE job_id = %s), n AS (
    SELECT generate_series(1, %s) + (SELECT batch_count FROM j) AS batch_no
)
INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
SELECT job_day, job_id, 0, version + 1, 'extended'::evtrack.event_type,
    jsonb_build_object('batches', %s, 'items', %s) FROM j
UNION ALL SELECT job_day, job_id, batch_no, 1, 'enqueued', jsonb_build_object(
    'items', 1, 'weight', 1, 'ordinals', format('{[%%s,%%s)}', batch_no, batch_no + 1)) FROM j, n
"""

FINISHED = """
WITH j AS (SELECT * FROM evtrack.job WHERE job_id = %s), n AS (
    SELECT generate_series(1, %s) + (SELECT batch_count FROM j) AS batch_no
)
INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
SELECT job_day, job_id, 0, version + 1, 'extended'::evtrack.event_type, 0, NULL::bigint,
    jsonb_build_object('batches', %s, 'items', %s) FROM j
UNION ALL SELECT job_day, job_id, batch_no, 1, 'enqueued', 0, NULL, jsonb_build_object(
    'items', 1, 'weight', 1, 'ordinals', format('{[%%s,%%s)}', batch_no, batch_no + 1)) FROM j, n
UNION ALL SELECT job_day, job_id, batch_no, 2, 'started', 1, %s, '{}' FROM j, n
UNION ALL SELECT job_day, job_id, batch_no, 3, 'completed', 1, %s, '{"run_s": 0.5}' FROM j, n
"""


@pytest.fixture(
    scope="module", params=[20_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def full(request: pytest.FixtureRequest, admin_dsn: str, template: str) -> Iterator[tuple[Client, int, int]]:
    """A client, a worker, and an open job of so many finished batches, written through the real trigger."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        client = Client(conn)
        worker = client.worker()
        job = client.one("SELECT job_id FROM evtrack.create_job(%s)", client.handler)
        for _ in range(request.param // CHUNK):
            conn.execute(FINISHED, [job, CHUNK, CHUNK, CHUNK, worker, worker])
        assert request.param == client.sums(job)["completed"][0]
        # As claims do once in a while.
        conn.execute("SELECT evtrack.raise_marks(ARRAY[%s])", [job])
        yield client, worker, job


@pytest.fixture(params=["plans made on statistics", "plans made on an empty table"])
def explained(request: pytest.FixtureRequest, full: tuple[Client, int, int]) -> Iterator[list[Plan]]:
    """The plans of every statement that the session runs, nested ones too."""
    client = full[0]
    if request.param == "plans made on statistics":
        client.conn.execute("VACUUM ANALYZE")
    with plans.explained(client) as found:
        yield found


def fresh(client: Client, job: int, number: int) -> None:
    """Add fresh batches at the end of an open job."""
    client.conn.execute(FRESH.encode(), [job, number, number, number])


def test_the_claim_uses_its_partial_indexes(full: tuple[Client, int, int], explained: list[Plan]) -> None:
    client, worker, done = full
    # In the same job, behind all that is finished, and in one of its own.
    fresh(client, done, 20)
    small = client.job(20)

    def has_no_dead_entries() -> bool:
        explained.clear()
        client.rows("SELECT * FROM evtrack.claimable(%s::text[])", [client.handler])
        return blocks(explained) < 3_000

    # A scan of the index removes the entries of what is finished, but not while autovacuum analyzes the table.
    eventually(has_no_dead_entries, 60)
    explained.clear()
    assert 40 == len(client.claim(worker, done, small, fresh=40, returning=20))
    read = scans(explained, "batch")
    assert any("pkey" in index for _, index, _ in read), f"the fresh are not found by theirs: {read}"
    assert any("run_at_idx" in index for _, index, _ in read), f"the returning are not found by theirs: {read}"
    # And those that ended since the low-water mark was raised.
    assert max(rows for _, _, rows in read) <= 140, read
    assert blocks(explained) < 3_000


def test_the_claim_of_retried_batches_uses_their_index(full: tuple[Client, int, int], explained: list[Plan]) -> None:
    client, worker, done = full
    fresh(client, done, 20)
    client.requeue(worker, client.claim(worker, done, fresh=20, returning=0))
    explained.clear()
    assert 20 == len(client.claim(worker, done, fresh=0, returning=20))
    assert max(rows for _, _, rows in scans(explained, "batch")) <= 40, scans(explained, "batch")


@pytest.mark.parametrize("function", ["claim", "exchange"])
def test_a_claim_reads_only_the_jobs_that_it_names(
    full: tuple[Client, int, int], explained: list[Plan], function: str
) -> None:
    client, worker, _ = full
    *_, last = [client.job() for _ in range(4)]
    explained.clear()
    if function == "claim":
        assert 1 == len(client.claim(worker, last, fresh=1, returning=0))
    else:
        client.exchange(worker, [], last, fresh=1)
        assert 1 == len(client.exchanged)
    read = scans(explained, "job")
    assert read, "no plan tells how the jobs were read"
    assert max(rows for _, _, rows in read) <= 1, f"others were read too: {read}"


def test_an_exchange_reads_only_the_new_batches_that_it_claims(
    full: tuple[Client, int, int], explained: list[Plan]
) -> None:
    client, worker, done = full
    client.rows("SELECT evtrack.raise_marks(ARRAY[%s])", done)
    fresh(client, done, 3_000)
    explained.clear()
    client.exchange(worker, [], done, fresh=5)
    assert 5 == len(client.exchanged)
    assert max(rows for _, _, rows in scans(explained, "batch")) <= 140, scans(explained, "batch")
    client.exchange(worker, client.exchanged, done, fresh=3_000)
    client.exchange(worker, client.exchanged)


def test_claimable_finds_the_low_water_mark_by_index(full: tuple[Client, int, int], explained: list[Plan]) -> None:
    client, _, _ = full
    jobs = [client.job(3) for _ in range(3)]
    # Who looks first behind all that was finished meets entries that nobody has marked as dead yet.
    client.rows("SELECT FROM evtrack.claimable(%s)", [client.handler])
    explained.clear()
    rows = client.rows("SELECT job_id, mark FROM evtrack.claimable(%s)", [client.handler])
    assert {(job, 1) for job in jobs} <= {(row["job_id"], row["mark"]) for row in rows}
    # Other tests have left jobs there too: one batch of each is enough, and those that ended since the mark was raised.
    assert max(read for _, _, read in scans(explained, "batch")) <= 2 * len(rows) + 1_000, scans(explained, "batch")
    assert blocks(explained) < 1_000


def test_claimable_scans_only_days_with_open_jobs(full: tuple[Client, int, int], explained: list[Plan]) -> None:
    client, _, _ = full
    client.job()
    explained.clear()
    client.rows("SELECT FROM evtrack.claimable(%s)", [client.handler])
    prepared = {
        node["Relation Name"]
        for plan in explained
        for node in nodes(plan["Plan"])
        if node.get("Relation Name", "").startswith("batch_2")
    }
    # Two of them at midnight.
    assert 1 <= len(prepared) <= 2, f"prepared for days without an open job: {sorted(prepared)}"


@pytest.mark.parametrize("function", ["complete", "fail", "crash", "requeue"])
def test_reports_read_only_their_own_rows(full: tuple[Client, int, int], explained: list[Plan], function: str) -> None:
    client, worker, _ = full
    claims = client.claim(worker, client.job(50, backoff_s=300), fresh=50)
    explained.clear()
    verdicts = {
        "complete": client.complete,
        "fail": client.fail,
        "crash": client.crash,
        "requeue": client.requeue,
    }[function](worker, claims)
    assert 50 == len(verdicts)
    read = scans(explained, "batch") + scans(explained, "event")
    assert "Seq Scan" not in {kind for kind, _, _ in read}, read
    assert max(rows for _, _, rows in read) <= 150, read
    assert blocks(explained) < 10_000


def test_a_plan_made_for_many_batches_looks_up_few_ones(own_client: Client) -> None:
    job, worker = own_client.job(1_000), own_client.worker()
    own_client.claim(worker, job, fresh=1_000, returning=0)
    claims = own_client.claim(worker, own_client.job(3_000), fresh=50, returning=0)
    with plans.explained(own_client) as found:
        assert ["ok"] * 50 == own_client.complete(worker, claims)
        assert max(rows for _, _, rows in scans(found, "batch")) <= 150, scans(found, "batch")


def test_an_exchange_reads_only_the_items_that_it_claims(own_client: Client) -> None:
    job, worker = own_client.job(5_000), own_client.worker()
    own_client.conn.execute("VACUUM ANALYZE")
    with plans.explained(own_client) as found:
        own_client.exchange(worker, [], job, fresh=100)
        assert 100 == len(own_client.exchanged)
        assert max(rows for _, _, rows in scans(found, "payload")) <= 150, scans(found, "payload")


def test_a_late_report_reads_only_its_own_rows(full: tuple[Client, int, int], explained: list[Plan]) -> None:
    client, worker, done = full
    explained.clear()
    assert ["ok"] * 50 == client.complete(worker, [Claim(done, number, 1) for number in range(100, 150)])
    read = scans(explained, "batch") + scans(explained, "event")
    assert "Seq Scan" not in {kind for kind, _, _ in read}, read
    assert blocks(explained) < 3_000


def test_health_reads_counters_and_no_batches(full: tuple[Client, int, int], explained: list[Plan]) -> None:
    client, worker, done = full
    job = client.job(3)
    one, *_ = client.claim(worker, job)
    client.crash(worker, [one], cause="signal", signal="SIGSEGV")
    explained.clear()
    found = health(client.conn, span_s=3600.0)
    assert found.completed >= client.sums(done)["completed"][0] >= 20_000
    sums = recent_sums(client.conn, span_s=3600.0)
    assert sums.batches_done >= client.sums(done)["completed"][0]
    trouble = found.crashed + found.failed
    assert found.crashed >= 1
    assert [(job, 1)] == [(crash.job_id, crash.batch_no) for crash in latest_crashes(client.conn, span_s=60.0, limit=1)]
    read = scans(explained, "event")
    # A day without an event is read whole, which is nothing.
    indexes = ("job_id_type_at_idx", "at_job_id_batch_no_idx", "pkey")
    assert [] == [each for each in read if each[2] and not any(index in each[1] for index in indexes)]
    assert sum(rows for _, _, rows in read) < 4 * trouble + 20, read
    # Those of the jobs that other tests have left open, and not what is finished.
    assert sum(rows for _, _, rows in scans(explained, "batch")) < 1_000
    assert blocks(explained) < 3_000


def test_finishing_does_not_count_the_batches(full: tuple[Client, int, int], explained: list[Plan]) -> None:
    client, worker, done = full
    explained.clear()
    assert client.one("SELECT evtrack.finish_due(%s)", done) is False
    for _ in range(2):  # the first one reads the catalogs as well
        job = client.job(2)
        client.complete(worker, client.claim(worker, job))
        explained.clear()
        assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    # For the digest, once it is finished: its own batches, once.
    assert [2] == [rows for _, _, rows in scans(explained, "batch")]
    assert blocks(explained) < 1_000


def test_the_oldest_batch_that_waits_is_found_by_index(full: tuple[Client, int, int], explained: list[Plan]) -> None:
    client, worker, _ = full
    job = client.job(300)
    client.complete(worker, client.claim(worker, job, fresh=299, returning=0))
    client.rows("SELECT evtrack.raise_marks(ARRAY[%s])", job)
    explained.clear()
    (row,) = client.rows("SELECT batches, since IS NULL AS idle FROM evtrack.waiting WHERE job_id = %s", job)
    assert {"batches": 1, "idle": False} == row
    assert max(rows for _, _, rows in scans(explained, "batch")) < 50, scans(explained, "batch")


def test_what_must_run_alone_is_found_by_its_index_behind_all_that_is_due(own_client: Client) -> None:
    job, worker = own_client.job(5000), own_client.worker()
    own_client.conn.execute("UPDATE evtrack.batch SET fresh = false, run_at = now()")
    own_client.conn.execute("UPDATE evtrack.batch SET isolation = 'exclusive' WHERE batch_no = 4999")
    own_client.rows("SELECT evtrack.raise_marks(ARRAY[%s])", job)
    with plans.explained(own_client) as explained:
        (listed,) = own_client.rows("SELECT * FROM evtrack.claimable(%s)", [own_client.handler])
        assert (True, True) == (listed["due"], listed["isolated"])
        assert max(rows_read(plan["Plan"]) for plan in explained) < 10
        explained.clear()
        assert [4999, 1] == [row["batch_no"] for row in own_client.claimed(worker, job, fresh=0, returning=2)]
        assert not own_client.rows("SELECT * FROM evtrack.claimable(%s)", [own_client.handler])[0]["isolated"]
