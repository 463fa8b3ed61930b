"""A session's plans stay good, even those made while the tables were nearly empty; none is made for one call."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from client import Claim, Client, cloned
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.reports.batch_reports import latest_crashes
from old_jobs import days_ago, ended_job
from plans import Plan, compiled, explained, made_for_one_call, nodes, rows_by_table

pytestmark = pytest.mark.integration

# What the tables grow to once the plans are made. Who reads one of them whole touches more rows than any test allows.
JOBS = 5_000
BATCHES = 3_000

GROW = (
    """
    INSERT INTO evtrack.job (job_id, job_day, handler, phase, version, created_at, finished_at)
    SELECT nextval('evtrack.job_id_seq'), (now() AT TIME ZONE 'UTC')::date, 'grown', 'finished', 5,
        now() - interval '2 days', now() - interval '2 days'
    FROM generate_series(1, %(jobs)s)
    """,
    """
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
    SELECT j.job_day, j.job_id, 0, j.version + 1, 'extended'::evtrack.event_type, 0, NULL::bigint,
        jsonb_build_object('batches', %(batches)s, 'items', %(batches)s)
    FROM evtrack.job j WHERE j.job_id = %(job)s
    UNION ALL
    SELECT j.job_day, j.job_id, n, k.version, k.type::evtrack.event_type, k.attempt, k.worker, CASE k.type
        WHEN 'enqueued' THEN jsonb_build_object(
            'items', 1, 'weight', 1, 'ordinals', format('{[%%s,%%s)}', n, n + 1))
        ELSE '{}' END
    FROM evtrack.job j
    CROSS JOIN generate_series(1, %(batches)s) n
    CROSS JOIN (VALUES (1, 'enqueued', 0, NULL::bigint), (2, 'started', 1, %(worker)s), (3, 'completed', 1, %(worker)s))
        AS k (version, type, attempt, worker)
    WHERE j.job_id = %(job)s
    """,
    """
    INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key)
    SELECT j.job_day, j.job_id, n, n, 'grown:' || n
    FROM evtrack.job j CROSS JOIN generate_series(1, %(batches)s) n WHERE j.job_id = %(job)s
    """,
)


class Session(NamedTuple):
    """A session that has run every function before, and what it works on."""

    client: Client
    worker: int
    job: int
    grown: int
    plans: list[Plan]


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
        # More often than a prepared statement is planned for its values before a plan for all is thought of.
        for _ in range(7):
            rehearse(client, worker, job)
        grow(own, grown, worker)
        with explained(client) as plans:
            yield Session(client, worker, job, grown, plans)


def without_autovacuum(own: Connection) -> None:
    """Keep statistics as they are: new ones would have plans made again."""
    tables = own.execute(
        "SELECT format('ALTER TABLE %s SET (autovacuum_enabled = off)', oid::regclass) FROM pg_class"
        " WHERE relnamespace = 'evtrack'::regnamespace AND relkind = 'r'"
    ).fetchall()
    for (statement,) in tables:
        own.execute(statement)


def grow(own: Connection, job: int, worker: int, batches: int = BATCHES) -> None:
    """Add finished jobs, and to an open job finished batches."""
    for statement in GROW:
        own.execute(statement.encode(), {"jobs": JOBS, "batches": batches, "job": job, "worker": worker})


def rehearse(client: Client, worker: int, job: int) -> None:
    """Call each function once."""
    client.rows("SELECT FROM evtrack.claimable(%s)", [client.handler])
    one, two, three, four, five = client.claim(worker, job, fresh=5, returning=0)
    for report in (client.complete, client.fail, client.requeue):
        report(worker, [one])
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


def reads(session: Session) -> dict[str, int]:
    """Return the rows that were read since the last time, by table, where they are more than a call may read."""
    rows = {table: number for table, number in rows_by_table(session.plans).items() if number >= 500}
    session.plans.clear()
    return rows


def test_a_claim_looks_up_what_it_claims(small: Session) -> None:
    client, worker, job, *_ = small
    reads(small)
    assert 5 == len(client.claim(worker, job, fresh=5, returning=0))
    assert {} == reads(small)
    assert 0 < len(client.claim(worker, job, fresh=0, returning=5))
    assert {} == reads(small)


@pytest.mark.parametrize("function", ["complete", "fail", "crash", "requeue"])
def test_a_report_looks_up_its_batches(small: Session, function: str) -> None:
    client, worker, job, *_ = small
    claims = client.claim(worker, job, fresh=5, returning=0)
    reads(small)
    getattr(client, function)(worker, claims)
    assert {} == reads(small)


@pytest.mark.parametrize("function", ["complete", "fail", "crash", "requeue"])
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
def unanalyzed(admin_dsn: str, template: str) -> Iterator[Session]:
    """A new session in a day that is full, was never analyzed, and has batches that wait for a retry."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as own:
        without_autovacuum(own)
        client = Client(own)
        worker, job = client.worker(), client.job(1_500, backoff_s=0)
        grown = client.one("SELECT job_id FROM evtrack.create_job(%s)", client.handler)
        for _ in range(3):
            client.fail(worker, client.claim(worker, job, fresh=100))
        client.crash(worker, client.claim(worker, job, fresh=1, returning=0))
        grow(own, grown, worker, batches=30_000)
        with connect(dsn, purpose="test") as conn:
            client = Client(conn, client.handler)
            with explained(client) as plans:
                yield Session(client, worker, job, grown, plans)


@pytest.mark.slow
@pytest.mark.parametrize("function", ["claim", "claimable"])
def test_what_is_due_is_found_by_its_index(unanalyzed: Session, function: str) -> None:
    client, worker, job, grown, _ = unanalyzed
    reads(unanalyzed)
    if function == "claim":
        client.claim(worker, grown, job, fresh=0, returning=10)
    else:
        client.rows("SELECT FROM evtrack.claimable(%s)", [client.handler])
    assert "batch" not in reads(unanalyzed)


@pytest.mark.slow
def test_a_late_crash_is_looked_up_in_a_day_without_statistics(unanalyzed: Session) -> None:
    client, worker, _, grown, _ = unanalyzed
    reads(unanalyzed)
    client.crash(worker, [Claim(grown, number, 1) for number in range(100, 110)])
    assert "batch" not in reads(unanalyzed)


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["crashes of a job", "latest crashes"])
def test_the_batch_of_a_crash_is_looked_up_in_a_day_without_statistics(unanalyzed: Session, asked: str) -> None:
    reads(unanalyzed)
    if asked == "latest crashes":
        assert latest_crashes(unanalyzed.client.conn, span_s=3600.0, limit=5)
    else:
        assert unanalyzed.client.rows("SELECT * FROM evtrack.crash WHERE job_id = %s", unanalyzed.job)
    assert "batch" not in reads(unanalyzed)


@pytest.mark.slow
def test_items_of_a_day_without_statistics_are_looked_up_by_their_keys(unanalyzed: Session) -> None:
    reads(unanalyzed)
    unanalyzed.client.rows("SELECT * FROM evtrack.retry_items(%s, %s)", unanalyzed.grown, ["grown:3", "grown:5"])
    assert "payload" not in reads(unanalyzed)


@pytest.fixture(scope="module")
def seasoned(admin_dsn: str, template: str) -> Iterator[Session]:
    """A session that has called each function so often that its plans are for all calls, if they will ever be."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        client = Client(conn)
        # As a session has it that evtrack has not settled: one behind a pooler, or of another client.
        conn.execute("SET jit = on")
        worker, job = client.worker(), client.job(100, items=2, max_errors=99, max_crashes=99)
        for _ in range(7):
            rehearse(client, worker, job)
        with explained(client) as plans:
            yield Session(client, worker, job, 0, plans)


def test_no_claim_is_planned_again(seasoned: Session) -> None:
    client, worker, job, *_ = seasoned
    seasoned.plans.clear()
    client.claim(worker, job, fresh=2)
    assert [] == made_for_one_call(seasoned.plans)


@pytest.mark.parametrize("function", ["complete", "fail", "crash", "requeue"])
def test_no_report_is_planned_again(seasoned: Session, function: str) -> None:
    client, worker, job, *_ = seasoned
    claims = client.claim(worker, job, fresh=2, returning=0)
    seasoned.plans.clear()
    getattr(client, function)(worker, claims)
    assert [] == made_for_one_call(seasoned.plans)


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
    assert [] == compiled(seasoned.plans)


@pytest.mark.parametrize("function", ["attempts", "latest_crashes"])
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
