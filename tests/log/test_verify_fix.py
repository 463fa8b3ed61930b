"""What `evtrack verify` reports about damage, and what `--fix` rebuilds from an intact or a trusted log."""

import json
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from client import Client
from evtrack.domain.database_errors import TransientError
from evtrack.storage.connection.connect import Connection
from evtrack.storage.log import proof
from evtrack.storage.log import rebuild as rebuilding
from evtrack.storage.log.rebuild import rebuild
from log_tampering import eventful_job, unguarded

pytestmark = pytest.mark.integration


def test_counters_without_a_job_are_reported_and_removed(conn: Connection, own_client: Client, run: Any) -> None:
    job = own_client.job(2)
    conn.execute("INSERT INTO evtrack.progress (job_id, shard, bucket, failed_items) VALUES (987, 0, 1, 5)")
    assert "failed_items" in run("verify", "987", code=2).output
    run("verify", "--fix")
    assert [] == list(proof.verify(conn))
    own_client.check(job)


def test_a_damaged_log_is_not_folded_again(conn: Connection, own_client: Client, run: Any) -> None:
    job = eventful_job(own_client)
    part = own_client.one("SELECT tableoid::regclass::text FROM evtrack.event WHERE job_id = %s LIMIT 1", job)
    conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
    conn.execute(
        f"UPDATE {part} SET data = '{{\"run_s\": 1}}' WHERE job_id = {job} AND batch_no = 1 AND version = 3".encode()
    )
    conn.execute("UPDATE evtrack.batch SET status = 'failed' WHERE job_id = %s AND batch_no = 2", [job])
    printed = run("verify", "--fix", code=2).stdout
    assert f"job {job}, batch 1, version 3: the log is damaged: digest" in printed
    assert f"job {job}, batch 2: status: the log has completed, the projection has failed" in printed
    assert f"job {job}: nothing was changed because the log itself is damaged" in printed
    assert f"The log itself is damaged: job {job}. Restore the database from a backup" in printed
    assert f"`evtrack verify {job} --fix --trust-log`" in printed
    assert "failed" == own_client.batch(job, 2).status


def test_an_intact_log_is_distinguished_from_a_damaged_one(own_client: Client, run: Any) -> None:
    job, other, whole = own_client.job(2), own_client.job(2), own_client.job(1)
    own_client.conn.execute("UPDATE evtrack.batch SET attempt = 7 WHERE job_id = %s", [other])
    with unguarded(own_client.conn, job) as part:
        own_client.conn.execute(f"UPDATE {part} SET attempt = 1 WHERE job_id = {job} AND batch_no = 1".encode())
    printed = run("verify", code=2).stdout.splitlines()[-2:]
    assert f"The log itself is damaged: job {job}. " in printed[0]
    assert (
        f"the projection differs from it: job {other}. Rebuild the projection: evtrack verify {other} --fix"
        in printed[1]
    )
    sums = json.loads(run("verify", "--json", code=2).stdout.splitlines()[-1])
    assert (1, 1) == (sums["jobs_with_damaged_log"], sums["jobs_with_departed_projection"])
    assert "agree" in run("verify", str(whole)).stdout
    run("verify", str(other), "--fix")
    run("verify", "--trust-log", code=2)
    own_client.conn.execute("DELETE FROM evtrack.payload WHERE job_id = %s", [whole])
    printed = run("verify", str(whole), "--fix", code=2).stdout.splitlines()
    assert f"Items are missing: job {whole}. They cannot be rebuilt from the log." in printed[-1]
    assert not any("--fix" in line for line in printed)


def test_a_damaged_log_is_trusted_on_request(own_client: Client, run: Any) -> None:
    job, worker = own_client.job(2), own_client.worker()
    own_client.complete(worker, own_client.claim(worker, job, fresh=1))
    with unguarded(own_client.conn, job) as part:
        own_client.conn.execute(
            f"UPDATE {part} SET data = '{{\"run_s\": 7}}' WHERE job_id = {job} AND type = 'completed'".encode()
        )
    assert 0.5 == own_client.batch(job, 1).run_s
    printed = run("verify", "--fix", "--trust-log").stdout
    assert f"job {job}: rebuilt from the damaged log: 1 batch." in printed
    assert 7 == own_client.batch(job, 1).run_s
    assert [] == list(proof.verify(own_client.conn, job)), "the digests are made anew with the rows"
    own_client.complete(worker, own_client.claim(worker, job))
    assert own_client.one("SELECT evtrack.finish_due(%s)", job)
    own_client.check(job)


def test_trust_that_fixes_nothing_is_not_suggested_again(own_client: Client, run: Any) -> None:
    job, worker = own_client.job(2), own_client.worker()
    own_client.complete(worker, own_client.claim(worker, job))
    with unguarded(own_client.conn, job) as part:
        own_client.conn.execute(f"DELETE FROM {part} WHERE job_id = {job} AND batch_no = 1 AND version = 2".encode())
    last = run("verify", "--fix", "--trust-log", code=2).stdout.splitlines()[-1]
    assert f"The log itself is damaged: job {job}. Restore the database from a backup" in last
    assert "the rest of the damage remains visible" in last
    assert "--trust-log" not in last


def test_the_part_of_a_damaged_log_that_folds_is_rebuilt(own_client: Client) -> None:
    job, worker = own_client.job(5, items=2, max_crashes=3, backoff_s=0), own_client.worker()
    one, two, three, four, five = own_client.claim(worker, job)
    own_client.complete(worker, [one, two, three])
    own_client.complete_partly(worker, four, "{[8,9)}")
    with unguarded(own_client.conn, job) as part:
        for gone in (
            "batch_no = 1 AND version = 2",  # a gap: the row stays as it is
            "batch_no = 2 AND version = 3",  # the last: the batch runs again
            "batch_no = 3",  # all of it: the row stays
            "batch_no = 6",  # and here the row is gone, too
        ):
            own_client.conn.execute(f"DELETE FROM {part} WHERE job_id = {job} AND {gone}".encode())
        own_client.conn.execute(
            f"INSERT INTO {part} SELECT job_day, job_id, 5, 3, 'late_result', attempt, worker_id, clock_timestamp(),"
            f" nextval('evtrack.event_seq'), pg_current_xact_id() FROM {part} WHERE job_id = {job} AND batch_no = 5"
            " AND version = 2".encode()
        )
    own_client.conn.execute("DELETE FROM evtrack.batch WHERE job_id = %s AND batch_no = 6", [job])
    own_client.conn.execute("UPDATE evtrack.progress SET completed_items = 99 WHERE job_id = %s", [job])
    done = rebuild(own_client.conn, job, trust_log=True)
    assert (3, True, 2) == (done.batches, done.counters, done.kept)
    assert {4} == {each.batch_no for each in done.found if each.field == "ordinals"}, "only the first after the gap"
    rows = own_client.batches(job)
    assert ["completed", "running", "completed", "completed", "running"] == [rows[no].status for no in range(1, 6)]
    assert [3, 2, 3, 3, 3] == [rows[no].version for no in range(1, 6)]
    assert {"running": (2, 4), "completed": (3, 5)} == {
        status: pair for status, pair in own_client.sums(job).items() if pair != (0, 0)
    }
    assert {each.log_is_damaged for each in proof.verify(own_client.conn, job)} == {True}, "only the damage is left"
    assert ["ok", "ok"] == own_client.complete(worker, [two, five])


def test_the_command_reports_what_it_found_and_what_it_did(own_client: Client, run: Any) -> None:
    job, other = eventful_job(own_client), own_client.job(2)
    assert "2 jobs" in (whole := run("verify").stdout)
    assert "agree" in whole
    own_client.conn.execute("UPDATE evtrack.batch SET attempt = 7 WHERE job_id = %s", [other])
    lines = [json.loads(line) for line in run("verify", str(other), "--json", code=2).stdout.splitlines()]
    sums = {
        "differences": 2,
        "jobs_with_damaged_log": 0,
        "jobs_with_departed_projection": 1,
        "jobs_with_missing_items": 0,
    }
    assert {"jobs": 1, "events": 5, **sums} == lines.pop()
    assert [(1, "attempt", "0", "7"), (2, "attempt", "0", "7")] == [
        (line["batch_no"], line["field"], line["log"], line["projection"]) for line in lines
    ]
    run("verify", str(job))
    mended = run("verify", "--fix").stdout.splitlines()
    assert f"job {other}: rebuilt from the log: 2 batches." in mended
    assert whole.splitlines()[-1] == mended[-1], "each event is counted once"
    run("verify")
    assert "no job 99" in run("verify", "99", code=1).output


@pytest.mark.parametrize(
    ("event", "data", "field"),
    [
        ((1, "enqueued"), {"items": 2**31}, "data"),
        ((1, "enqueued"), {"weight": 2**63}, "data"),
        ((1, "enqueued"), {"errors": 2**15}, "data"),
        ((1, "enqueued"), {"ordinals": f"{{[1,{2**31})}}"}, "data"),
        # With the failure that follows, one more.
        ((1, "enqueued"), {"errors": 2**15 - 1}, "digest"),
        ((0, "created"), {"priority": 2**15}, "data"),
        ((0, "extended"), {"items": 2**63}, "data"),
        ((0, "extended"), {"batches": 10**30}, "data"),
        ((0, "extended"), {"invalid": 2**63 - 1, "batches": 2**31 - 1}, "digest"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_number_out_of_range_is_reported_and_the_rest_is_fixed(
    own_client: Client, run: Any, event: tuple[int, str], data: dict[str, Any], field: str
) -> None:
    job, worker = own_client.job(2, items=2, max_errors=3, backoff_s=0), own_client.worker()
    own_client.fail(worker, own_client.claim(worker, job, fresh=1))
    batch, kind = event
    with unguarded(own_client.conn, job) as part:
        version = own_client.one(
            f"UPDATE {part} SET data = data || %s"
            " WHERE job_id = %s AND batch_no = %s AND type::text = %s RETURNING version",
            Jsonb(data),
            job,
            batch,
            kind,
        )
    own_client.conn.execute("UPDATE evtrack.batch SET run_s = 9 WHERE job_id = %s AND batch_no = 2", [job])
    other = own_client.job(1)
    own_client.conn.execute("UPDATE evtrack.batch SET attempt = 7 WHERE job_id = %s", [other])
    where = f"job {job}, batch {batch}, version {version}" if batch else f"job {job}, version {version}"
    for trust in ((), ("--trust-log",)):
        printed = run("verify", "--fix", *trust, code=2).stdout
        assert f"{where}: the log is damaged: {field}" in printed
    assert own_client.batch(job, 2).run_s is None
    assert [] == list(proof.verify(own_client.conn, other))


def test_new_batches_below_the_mark_are_reported_and_found_again(own_client: Client, run: Any) -> None:
    job, worker = own_client.job(3), own_client.worker()
    own_client.conn.execute("UPDATE evtrack.job SET fresh_after = 2 WHERE job_id = %s", [job])
    assert [3] == [claim.batch_no for claim in own_client.claim(worker, job)]
    assert own_client.one("SELECT since IS NOT NULL FROM evtrack.waiting WHERE job_id = %s", job)
    assert f"job {job}: fresh_after: the log has 0 at most, the projection has 2" in run("verify", code=2).stdout
    run("verify", "--fix")
    assert "agree" in run("verify").stdout
    assert [1, 2] == [claim.batch_no for claim in own_client.claim(worker, job)]


def test_a_repair_begins_again_after_a_deadlock(own_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = own_client.job(1)
    own_client.conn.execute("UPDATE evtrack.batch SET status = 'failed' WHERE job_id = %s", [job])
    refusals: list[Exception] = [psycopg.errors.DeadlockDetected(), psycopg.errors.LockNotAvailable()]
    original = rebuilding.run

    def locked(conn: Any, name: str, **params: Any) -> None:
        if name == "rebuild_lock_batches" and refusals:
            raise TransientError("no") from refusals.pop(0)
        original(conn, name, **params)

    monkeypatch.setattr(rebuilding, "run", locked)
    with pytest.raises(TransientError):
        rebuild(own_client.conn, job)
    assert [] == refusals
    assert 1 == rebuild(own_client.conn, job).batches
