"""Plans made while the tables are small, or were never analyzed, stay good in large ones."""

import pytest

from client import Client
from old_jobs import days_ago, ended_job
from plan_sessions import CALLS, GROW, JOBS, grow, with_default_costs, without_autovacuum
from plans import explained, scans

pytestmark = pytest.mark.integration


def test_a_plan_of_the_first_digest_looks_up_the_batches_of_its_job(own_client: Client, own_other: Client) -> None:
    without_autovacuum(own_other.conn)
    # Tables of one page are taken for what they are once they were vacuumed.
    own_other.conn.execute("VACUUM ANALYZE")
    with_default_costs(own_client.conn)
    job = own_client.job(7, items=2)
    grown = own_client.one("SELECT job_id FROM evtrack.create_job('grown')")
    for _ in range(CALLS):
        own_client.rows("SELECT evtrack.job_digest(%s)", job)
    grow(own_other.conn, grown, own_client.worker())
    with explained(own_client) as plans:
        own_client.rows("SELECT evtrack.job_digest(%s)", job)
        assert 500 > sum(rows for _, _, rows in scans(plans, "batch")), scans(plans, "batch")


def test_the_batches_of_the_second_job_are_planned_for_many(own_client: Client, own_other: Client) -> None:
    without_autovacuum(own_client.conn)
    own_client.job(2)
    own_client.conn.execute("VACUUM ANALYZE")
    own_client.job(2)
    own_other.conn.execute(GROW[0].encode(), {"jobs": JOBS})
    with explained(own_client) as plans:
        own_client.job(2)
        assert 500 > sum(rows for _, _, rows in scans(plans, "job")), scans(plans, "job")


def test_an_alert_of_the_only_job_is_planned_for_many(own_client: Client, own_other: Client) -> None:
    without_autovacuum(own_client.conn)
    job, worker = own_client.job(2, max_crashes=1), own_client.worker()
    one, two = own_client.claim(worker, job)
    own_client.conn.execute("VACUUM ANALYZE")
    own_client.crash(worker, [one])
    own_other.conn.execute(GROW[0].encode(), {"jobs": JOBS})
    with explained(own_client) as plans:
        own_client.crash(worker, [two])
        assert 500 > sum(rows for _, _, rows in scans(plans, "job")), scans(plans, "job")


def test_dropping_a_day_looks_up_what_was_counted_for_its_jobs(own_client: Client) -> None:
    without_autovacuum(own_client.conn)
    with_default_costs(own_client.conn)
    day = days_ago(20)
    job = ended_job(own_client, day)
    own_client.conn.execute(GROW[0].encode(), {"jobs": JOBS})
    own_client.conn.execute(
        "INSERT INTO evtrack.progress SELECT (jsonb_populate_record(p, jsonb_build_object('job_id', n))).*"
        " FROM evtrack.progress p, generate_series(1000, 3000) n"
    )
    with explained(own_client) as plans:
        digest = own_client.one("SELECT evtrack.job_digest(%s)", job)
        assert "dropped" == own_client.one(
            "SELECT evtrack.drop_day(%s, now(), pg_current_snapshot(), %s::bigint[], '{9}', %s::bytea[])",
            day,
            [job],
            [digest],
        )
        assert 500 > sum(rows for _, _, rows in scans(plans, "progress")), scans(plans, "progress")
