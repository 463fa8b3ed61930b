"""Jobs are finished: several in one call, and large ones with a digest that is computed part by part."""

from hashlib import sha256
from pathlib import Path

import pytest

from client import Client
from event_streams import data_of
from evtrack.domain.proof import job_hash
from evtrack.runtime.retention.restore import Restore
from evtrack.storage.log import proof
from old_jobs import days_ago, ended_job, run_cleanup
from plan_sessions import CALLS, with_default_costs, without_autovacuum
from plans import explained, scans

pytestmark = pytest.mark.integration

PART = 4
A_CALL = 16
"""Parts of a digest that one call computes."""


@pytest.fixture
def client(own_client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A session with this test's own database, in which parts are small."""
    small = f"CREATE OR REPLACE FUNCTION evtrack.digest_part_size() RETURNS integer LANGUAGE sql AS 'SELECT {PART}'"
    own_client.conn.execute(small.encode())
    monkeypatch.setattr(job_hash, "PART_SIZE", PART)
    return own_client


def done(client: Client, batches: int) -> int:
    """Return a job all of whose batches are completed."""
    job, worker = client.job(batches), client.worker()
    client.complete(worker, client.claim(worker, job, fresh=batches))
    return job


def finish(client: Client, *jobs: int) -> dict[int, bool]:
    """Finish jobs, and return those that were due."""
    rows = client.rows("SELECT * FROM evtrack.finish_jobs(%s::bigint[])", list(jobs))
    return {row["job_id"]: row["finished"] for row in rows}


def kept_digest(client: Client, job: int) -> str:
    """Return the digest in a job's last finished event."""
    return str(data_of([event for event in client.events(job, 0) if event.type == "finished"][-1])["digest"])


def last_links(client: Client, job: int) -> list[bytes]:
    """Return the last link of each batch."""
    rows = client.rows(
        "SELECT evtrack.last_batch_link(links, version) AS link FROM evtrack.batch WHERE job_id = %s ORDER BY batch_no",
        job,
    )
    return [row["link"] for row in rows]


def test_many_jobs_are_finished_in_one_call(client: Client, own_other: Client) -> None:
    ended, locked, gone, suspended = (done(client, 2) for _ in range(4))
    client.one("SELECT evtrack.suspend(%s)", suspended)
    running = client.job(2)
    assert client.one("SELECT evtrack.finish_due(%s)", gone)
    with own_other.conn.transaction():
        own_other.conn.execute("SELECT FROM evtrack.job WHERE job_id = %s FOR UPDATE", [locked])
        due = finish(client, ended, locked, gone, running, suspended, 999_999)
        assert {ended: True, suspended: True, locked: False} == due
    assert {locked: True} == finish(client, ended, locked, gone, running, suspended)
    assert "sealed" == client.phase(running)
    assert [] == list(proof.verify(client.conn))


def test_a_finished_job_behind_many_busy_ones_is_finished(client: Client) -> None:
    busy = [client.job() for _ in range(5)]
    ended = done(client, 1)
    assert [ended] == [
        row["job_id"] for row in client.rows("SELECT job_id FROM evtrack.finish_overdue(3) AS o (job_id)")
    ]
    assert {"sealed"} == {client.phase(job) for job in busy}


def test_the_digest_of_a_large_job_covers_parts(client: Client) -> None:
    job = done(client, PART * 2 + 1)
    before = client.own_links(job)[-32:]
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    links = last_links(client, job)
    parts = [sha256(b"".join(links[first : first + PART])).digest() for first in range(0, len(links), PART)]
    assert 3 == len(parts)
    assert sha256(before + b"".join(parts)).hexdigest() == kept_digest(client, job)
    now = client.one("SELECT encode(evtrack.job_digest(%s), 'hex')", job)
    assert sha256(client.own_links(job)[-32:] + b"".join(parts)).hexdigest() == now
    assert [] == list(proof.verify(client.conn, job))
    assert 0 == client.one("SELECT count(*) FROM evtrack.digest_part")


def test_a_job_of_one_part_keeps_its_digest(client: Client) -> None:
    job = done(client, PART)
    before = client.own_links(job)[-32:]
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    assert sha256(before + b"".join(last_links(client, job))).hexdigest() == kept_digest(client, job)


def test_a_digest_of_an_earlier_release_is_still_proved(client: Client) -> None:
    """A large job that finished before there were parts: its digest covers all links at once."""
    client.conn.execute(
        "CREATE OR REPLACE FUNCTION evtrack.digest_part_size() RETURNS integer LANGUAGE sql AS 'SELECT 32768'"
    )
    job = done(client, PART * 3)
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    assert [] == list(proof.verify(client.conn, job))
    client.conn.execute("UPDATE evtrack.batch SET links = NULL WHERE job_id = %s AND batch_no = 7", [job])
    assert "digest" in " ".join(str(each) for each in proof.verify(client.conn, job))


def test_a_large_digest_takes_bounded_calls_and_notices_late_results(client: Client) -> None:
    batches = PART * (A_CALL + 3)
    job, worker = client.job(batches, max_losses=9), client.worker()
    rival = client.worker()
    (late,) = client.claim(worker, job, fresh=1)
    client.requeue(worker, [late])
    client.complete(rival, client.claim(rival, job, fresh=batches))
    assert {job: False} == finish(client, job)
    assert A_CALL == client.one("SELECT count(*) FROM evtrack.digest_part")
    assert "sealed" == client.phase(job)
    # Its part is computed already, and has to be computed again.
    assert ["late"] == client.complete(worker, [late])
    assert [0] == [
        row["part"]
        for row in client.rows("SELECT s AS part FROM evtrack.job j, evtrack.stale_parts(j) s WHERE j.job_id = %s", job)
    ]
    assert {job: True} == finish(client, job)
    assert client.one("SELECT encode(evtrack.job_digest(%s), 'hex') IS NOT NULL", job)
    assert [] == list(proof.verify(client.conn, job))
    # Later ones are not covered, as the snapshot shows.
    assert ["late"] == client.complete(worker, [late._replace(batch_no=PART + 1)])
    assert [] == list(proof.verify(client.conn, job))


def test_a_retry_amid_the_digest_starts_it_again(client: Client) -> None:
    job, worker = client.job(PART * (A_CALL + 1), max_errors=1), client.worker()
    first, *others = client.claim(worker, job, fresh=1000)
    client.fail(worker, [first])
    client.complete(worker, others)
    assert {job: False} == finish(client, job)
    client.one("SELECT evtrack.retry(%s)", job)
    assert {} == finish(client, job)
    client.complete(worker, client.claim(worker, job))
    assert {job: True} == finish(client, job)
    assert [] == list(proof.verify(client.conn, job))


def test_late_results_are_found_among_the_latest_events(client: Client) -> None:
    """Not among all events of the job or of the day, which may be millions."""
    done(client, 500)
    job = client.job(PART * (A_CALL + 1))
    worker = client.worker()
    client.complete(worker, client.claim(worker, job, fresh=1000))
    assert {job: False} == finish(client, job)
    client.conn.execute("VACUUM ANALYZE evtrack.event")
    with explained(client) as plans:
        client.rows("SELECT s FROM evtrack.job j, evtrack.stale_parts(j) s WHERE j.job_id = %s", job)
        assert 20 > sum(rows for _, _, rows in scans(plans, "event")), scans(plans, "event")


def test_a_plan_made_for_few_parts_looks_up_those_of_the_job(client: Client) -> None:
    without_autovacuum(client.conn)
    with_default_costs(client.conn)
    call = "SELECT s FROM evtrack.job j, evtrack.stale_parts(j) s WHERE j.job_id = %s"
    job = done(client, PART * (A_CALL + 1))
    assert {job: False} == finish(client, job)
    client.conn.execute("VACUUM ANALYZE")
    for _ in range(CALLS):
        client.rows(call, job)
    client.conn.execute(
        "INSERT INTO evtrack.digest_part SELECT (jsonb_populate_record(d, jsonb_build_object('job_id', n))).*"
        " FROM evtrack.digest_part d, generate_series(1000, 2000) n"
    )
    with explained(client) as plans:
        client.rows(call, job)
        assert 500 > sum(rows for _, _, rows in scans(plans, "digest_part")), scans(plans, "digest_part")


@pytest.mark.parametrize("size", [PART, 32_768])
def test_a_large_job_is_archived_and_restored(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Also from the archive of an earlier release, whose digest covers all links at once."""
    change = "CREATE OR REPLACE FUNCTION evtrack.digest_part_size() RETURNS integer LANGUAGE sql AS 'SELECT {}'"
    client.conn.execute(change.format(size).encode())
    monkeypatch.setattr(job_hash, "PART_SIZE", size)
    job = ended_job(client, days_ago(3), PART * 3)
    assert 1 == len(run_cleanup(client, tmp_path))
    client.conn.execute(change.format(PART).encode())
    monkeypatch.setattr(job_hash, "PART_SIZE", PART)
    restored = list(Restore(conn=client.conn, directory=tmp_path).run())
    assert [job] == [each.job_id for each in restored]
    assert [] == list(proof.verify(client.conn, job))
