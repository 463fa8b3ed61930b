"""A session's plans stay good, even those made while the tables were nearly empty; none is made for one call."""

from collections.abc import Iterator

import pytest

from client import Claim, Client
from evtrack.storage.connection.connect import connect
from old_jobs import days_ago, ended_job
from plan_sessions import CALLS, GROW, Session, grow, reads, without_autovacuum
from plans import compiled, explained, made_for_one_call, nodes, scans
from servers import cloned

pytestmark = pytest.mark.integration

REPORTS = ["complete", "complete_but_one_item", "exchange", "fail", "crash", "requeue"]


@pytest.fixture(scope="module")
def small(admin_dsn: str, template: str) -> Iterator[Session]:
    """Plans made on the statistics of two jobs and 100 batches, and then the tables grew."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn, connect(dsn, purpose="test") as own:
        without_autovacuum(own)
        client = Client(conn)
        worker, job = client.worker(), client.job(100, items=2, max_errors=99, max_crashes=99)
        grown = client.one("SELECT job_id FROM evtrack.create_job('grown')")
        rehearse(client, worker, job)
        own.execute("VACUUM ANALYZE")
        for _ in range(CALLS):
            rehearse(client, worker, job)
        grow(own, grown, worker)
        with explained(client) as plans:
            yield Session(client, worker, job, grown, plans)


def rehearse(client: Client, worker: int, job: int) -> None:
    """Call each function once."""
    client.rows("SELECT FROM evtrack.claimable(%s)", [client.handler])
    one, two, three, four, five, six = client.claim(worker, job, fresh=6, returning=0)
    client.complete_but_one_item(worker, [six])
    for report in (client.complete, client.exchange, client.fail, client.requeue, client.complete_but_one_item):
        report(worker, [one])
    client.exchange(worker, [], job, fresh=1)
    client.exchange(worker, client.exchanged, results=["1"])
    client.fail(worker, [two])
    client.requeue(worker, [three])
    client.crash(worker, [four])
    client.crash(worker, [four])
    client.crash(worker, [five], cause="signal", ordinal=five.batch_no * 2)
    client.complete(worker, client.claim(worker, job, fresh=0, returning=2))
    client.rows("SELECT * FROM evtrack.retry_items(%s, %s)", job, ["key:1"])
    client.rows("SELECT evtrack.job_digest(%s)", job)
    extend(client)


def extend(client: Client, items: int = 1) -> int:
    """Add one batch to a job that has none, and return the job."""
    job, submitter = client.rows(
        "SELECT job_id, submitter_token FROM evtrack.create_job('extended', submitter => gen_random_uuid())"
    )[0].values()
    client.conn.execute(
        "INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key)"
        " SELECT job_day, job_id, n, 1, 'extended' FROM evtrack.job, generate_series(1, %s::integer) n"
        " WHERE job_id = %s",
        [items, job],
    )
    client.rows(
        "SELECT evtrack.add_batches(%s, %s, 1, %s::integer[], %s::bigint[], '{1}')", job, submitter, [items], [items]
    )
    return job


def test_a_claim_looks_up_what_it_claims(small: Session) -> None:
    client, worker, job, *_ = small
    reads(small)
    assert 5 == len(client.claim(worker, job, fresh=5, returning=0))
    assert {} == reads(small)
    assert 0 < len(client.claim(worker, job, fresh=0, returning=5))
    assert {} == reads(small)


def test_an_exchange_looks_up_what_it_claims(small: Session) -> None:
    client, worker, job, *_ = small
    reads(small)
    for number in (5, 1):
        client.exchange(worker, [], job, fresh=number)
        assert number == len(client.exchanged)
        assert {} == reads(small)
        client.exchange(worker, client.exchanged, results=["1"] * number)
        assert {} == reads(small)
    client.exchange(worker, [], client.job(2), fresh=2)
    assert 2 == len(client.exchanged)
    assert {} == reads(small)


@pytest.mark.parametrize("function", REPORTS)
def test_a_report_looks_up_its_batches(small: Session, function: str) -> None:
    client, worker, job, *_ = small
    claims = client.claim(worker, job, fresh=5, returning=0)
    reads(small)
    getattr(client, function)(worker, claims)
    assert {} == reads(small)


@pytest.mark.parametrize("function", REPORTS)
def test_a_report_on_the_newest_job_looks_up_its_batches(small: Session, function: str) -> None:
    # A merge with the jobs reads all that are older.
    client, worker, *_ = small
    claims = client.claim(worker, client.job(5, items=2, max_errors=99, max_crashes=99))
    reads(small)
    getattr(client, function)(worker, claims)
    assert {} == reads(small)


@pytest.mark.parametrize("function", REPORTS)
def test_a_late_report_looks_up_its_batches(small: Session, function: str) -> None:
    client, worker, _, grown, _ = small
    reads(small)
    getattr(client, function)(worker, [Claim(grown, number, 1) for number in range(100, 110)])
    assert {} == reads(small)


def test_a_digest_looks_up_the_batches_of_its_job(small: Session) -> None:
    reads(small)
    small.client.rows("SELECT evtrack.job_digest(%s)", small.job)
    assert {} == reads(small)


def test_an_alert_reads_the_few_items_that_it_names(small: Session) -> None:
    client, worker, *_ = small
    claims = client.claim(worker, client.job(1, items=2_000))
    reads(small)
    client.crash(worker, claims)
    assert "payload" not in reads(small)


@pytest.fixture(scope="module")
def seasoned(admin_dsn: str, template: str) -> Iterator[Session]:
    """A session that has called each function so often that its plans are for all calls, if they will ever be."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        client = Client(conn)
        # As a session has it that evtrack has not settled: one behind a pooler, or of another client.
        conn.execute("SET jit = on")
        worker, job = client.worker(), client.job(100, items=2, max_errors=99, max_crashes=99)
        for _ in range(CALLS):
            rehearse(client, worker, job)
        with explained(client) as plans:
            yield Session(client, worker, job, 0, plans)


def test_no_claim_is_planned_again(seasoned: Session) -> None:
    client, worker, job, *_ = seasoned
    seasoned.plans.clear()
    client.claim(worker, job, fresh=2)
    assert [] == made_for_one_call(seasoned.plans)


def test_no_search_for_work_is_planned_again(seasoned: Session) -> None:
    client = seasoned.client
    # PostgreSQL's own choice depends on what the day holds: with one small job, each call is planned.
    client.conn.execute("SET plan_cache_mode = force_custom_plan")
    seasoned.plans.clear()
    client.rows("SELECT FROM evtrack.claimable(%s)", [client.handler])
    client.conn.execute("RESET plan_cache_mode")
    assert [] == made_for_one_call(seasoned.plans)


@pytest.mark.parametrize("function", REPORTS)
def test_no_report_is_planned_again(seasoned: Session, function: str) -> None:
    client, worker, job, *_ = seasoned
    claims = client.claim(worker, job, fresh=2, returning=0)
    seasoned.plans.clear()
    getattr(client, function)(worker, claims)
    assert [] == made_for_one_call(seasoned.plans)


def test_no_fold_is_planned_again(seasoned: Session) -> None:
    client, worker, job, *_ = seasoned
    claims = client.claim(worker, job, fresh=2, returning=0)
    # As requeue() leaves it to PostgreSQL, whose choice depends on what the day holds.
    client.conn.execute("SET plan_cache_mode = force_custom_plan")
    seasoned.plans.clear()
    client.requeue(worker, claims)
    client.conn.execute("RESET plan_cache_mode")
    folds = [plan for plan in seasoned.plans if "unnest(events) a" in plan["Query Text"]]
    assert folds
    assert [] == made_for_one_call(folds)


def test_no_chunk_of_a_submission_is_planned_again(seasoned: Session) -> None:
    seasoned.plans.clear()
    extend(seasoned.client)
    assert [] == made_for_one_call(seasoned.plans)


def test_no_enqueued_job_is_planned_again(seasoned: Session) -> None:
    # A plan for one call knows how many items the call brings; those that stay are the same for each.
    expected = []
    for batches in (2, 40):
        seasoned.plans.clear()
        seasoned.client.job(batches)
        expected.append(
            [
                node["Plan Rows"]
                for plan in seasoned.plans
                if "INSERT INTO evtrack.payload" in plan["Query Text"]
                for node in nodes(plan["Plan"])
            ]
        )
    assert expected[0] == expected[1] != []


def test_claims_are_not_compiled(seasoned: Session) -> None:
    client, worker, job, *_ = seasoned
    seasoned.plans.clear()
    client.claim(worker, job, fresh=2)
    client.rows("SELECT FROM evtrack.claimable(%s)", [client.handler])
    client.rows("SELECT FROM evtrack.batch_numbers(%s, 'pending')", job)
    client.rows("SELECT FROM evtrack.items_before('key:1', the_job => %s)", job)
    assert [] == compiled(seasoned.plans)


@pytest.mark.parametrize("function", REPORTS)
def test_reports_of_batches_are_not_compiled(seasoned: Session, function: str) -> None:
    client, worker, job, *_ = seasoned
    claims = client.claim(worker, job, fresh=2, returning=0)
    seasoned.plans.clear()
    getattr(client, function)(worker, claims)
    assert [] == compiled(seasoned.plans)


@pytest.mark.parametrize("function", ["attempts", "crash_map", "crashes_before", "latest_crashes"])
def test_reports_over_all_jobs_are_not_compiled(seasoned: Session, function: str) -> None:
    client = seasoned.client
    with client.conn.transaction(force_rollback=True):
        client.conn.execute(GROW[0].encode(), {"jobs": 100_000})
        seasoned.plans.clear()
        client.rows(f"SELECT * FROM evtrack.{function}()")
    assert [] == compiled(seasoned.plans)


def test_dropping_a_day_reads_its_newest_events_and_is_not_compiled(seasoned: Session) -> None:
    client, day = seasoned.client, days_ago(20)
    job = ended_job(client, day, 500)
    row = "SELECT count(*) AS events, evtrack.job_digest(%s) AS digest FROM evtrack.event WHERE job_id = %s"
    ((events, digest),) = [tuple(found.values()) for found in client.rows(row, job, job)]
    assert events > 1_500
    seasoned.plans.clear()
    verdict = client.one(
        "SELECT evtrack.drop_day(%s, now(), pg_current_snapshot(), %s::bigint[], %s::bigint[], %s::bytea[])",
        day,
        [job],
        [events],
        [digest],
    )
    assert "dropped" == verdict
    assert [] == compiled(seasoned.plans)
    assert {} == reads(seasoned)


def test_the_oldest_batch_that_waits_is_found_behind_those_that_are_done(own_client: Client) -> None:
    job, worker = own_client.job(2_000), own_client.worker()
    own_client.complete(worker, own_client.claim(worker, job, fresh=1_000))
    own_client.conn.execute("VACUUM ANALYZE")
    with explained(own_client) as plans:
        assert 1_000 == own_client.one("SELECT batches FROM evtrack.waiting WHERE since IS NOT NULL")
        assert 50 > max(rows for _, _, rows in scans(plans, "batch")), scans(plans, "batch")


def test_the_oldest_batch_that_waits_is_found_in_a_day_without_statistics(own_client: Client) -> None:
    without_autovacuum(own_client.conn)
    job, worker = own_client.job(2_000), own_client.worker()
    own_client.complete(worker, own_client.claim(worker, job, fresh=1_000))
    with explained(own_client) as plans:
        (row,) = own_client.rows("SELECT batches, since, waited_s, why, overdue FROM evtrack.waiting")
        assert (1_000, "queue") == (row["batches"], row["why"])
        assert 1 == sum("ORDER BY b.batch_no" in plan["Query Text"] for plan in plans)
        # A page of the index may hold entries of batches that are done; nothing else of those is read.
        assert 50 > max(rows for _, _, rows in scans(plans, "batch")), scans(plans, "batch")


def test_no_search_for_the_oldest_batch_is_planned_again(seasoned: Session) -> None:
    client, _, job, *_ = seasoned
    seasoned.plans.clear()
    client.rows("SELECT evtrack.waiting_since(job_day, job_id) FROM evtrack.job WHERE job_id = %s", job)
    assert [] == made_for_one_call([plan for plan in seasoned.plans if "ORDER BY b.batch_no" in plan["Query Text"]])
