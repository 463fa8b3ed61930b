"""`evtrack verify` keeps what it found, in a row that goes with its job."""

from collections.abc import Callable

import psycopg
import pytest
from click.testing import Result

from client import Client
from evtrack.storage.reports.verifications import (
    KEPT,
    job_verifications,
    job_version,
    latest_verifications,
    record_verification,
)
from log_tampering import eventful_job
from old_jobs import days_ago, ended_job, run_cleanup

pytestmark = pytest.mark.integration


def test_each_verification_leaves_a_row(own_client: Client, run: Callable[..., Result]) -> None:
    client, worker = own_client, own_client.worker()
    whole, running, wrong = client.job(2), client.job(2), client.job(30)
    client.complete(worker, client.claim(worker, whole))
    assert client.one("SELECT evtrack.finish_due(%s)", whole)
    client.conn.execute("UPDATE evtrack.batch SET weight = weight + 1 WHERE job_id = %s", [wrong])
    run("verify", code=2)
    found = latest_verifications(client.conn, [whole, running, wrong, 99])
    assert {whole: "whole", running: "open", wrong: "departs"} == {job: row.outcome for job, row in found.items()}
    events = client.one("SELECT count(*) FROM evtrack.event WHERE job_id = %s", whole)
    assert (events, 0, []) == (found[whole].events, found[whole].difference_count, found[whole].differences)
    assert client.one("SELECT encode(evtrack.job_digest(%s), 'hex')", whole) == found[whole].digest
    assert client.one("SELECT session_user") == found[whole].by
    assert (30, KEPT, "weight") == (
        found[wrong].difference_count,
        len(found[wrong].differences),
        found[wrong].differences[0]["field"],
    )
    run("verify", str(wrong), "--fix")
    assert ["open", "departs"] == [row.outcome for row in job_verifications(client.conn, wrong)]


def test_a_damaged_log_is_told(own_client: Client, run: Callable[..., Result]) -> None:
    job = eventful_job(own_client)
    part = own_client.one("SELECT tableoid::regclass::text FROM evtrack.event WHERE job_id = %s LIMIT 1", job)
    own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER ALL".encode())
    own_client.conn.execute(
        f"UPDATE {part} SET at = at - interval '1 s' WHERE job_id = {job} AND batch_no = 1 AND version = 1".encode()
    )
    run("verify", str(job), code=2)
    assert ["damaged"] == [row.outcome for row in job_verifications(own_client.conn, job)]


def test_a_job_is_whole_only_if_nothing_happened_to_it_meanwhile(own_client: Client) -> None:
    client, worker = own_client, own_client.worker()
    job = client.job()
    client.complete(worker, client.claim(worker, job))
    version = job_version(client.conn, job)
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    record = "SELECT evtrack.record_verification(%s, %s, 1, false, 0)"
    for each in (version, job_version(client.conn, job)):
        assert client.one(record, job, each)
    assert ["whole", "open"] == [row.outcome for row in job_verifications(client.conn, job)]
    for _ in range(100):
        client.one(record, job, None)
    kept = job_verifications(client.conn, job, limit=200)
    assert ["open"] * 100 == [row.outcome for row in kept]


def test_a_row_goes_with_its_job(own_client: Client) -> None:
    assert not own_client.one("SELECT evtrack.record_verification(99, 1, 1, false, 0)")
    old, job = ended_job(own_client, days_ago(3)), own_client.job()
    for each in (old, job):
        assert own_client.one("SELECT evtrack.record_verification(%s, 1, 1, false, 0)", each)
    with pytest.raises(psycopg.errors.CheckViolation):
        own_client.one("SELECT evtrack.record_verification(%s, 1, -1, false, 0)", job)
    assert {old, job} == set(latest_verifications(own_client.conn, [old, job]))
    run_cleanup(own_client)
    assert {job} == set(latest_verifications(own_client.conn, [old, job]))


def test_who_may_not_keep_a_row_verifies_all_the_same(own_client: Client) -> None:
    job = own_client.job()
    own_client.conn.execute("SET default_transaction_read_only = on")
    record_verification(own_client.conn, job, version=1, events=1, found=0, damaged=False, first=[])
    assert [] == job_verifications(own_client.conn, job)
