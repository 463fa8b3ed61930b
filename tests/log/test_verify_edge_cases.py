"""`evtrack verify` on stray rows, on logs older than digests, and while workers run."""

import threading

import pytest

from client import Client
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.log import proof
from evtrack.storage.log.rebuild import rebuild
from log_tampering import eventful_job

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("gone", ["NULL", "decode(repeat('00', octet_length(links)), 'hex')"])
def test_digests_removed_from_a_batch_are_reported_before_its_job_finishes(own_client: Client, gone: str) -> None:
    job, worker = own_client.job(3), own_client.worker()
    own_client.complete(worker, own_client.claim(worker, job, fresh=2))
    own_client.conn.execute(
        f"UPDATE evtrack.batch SET links = {gone} WHERE job_id = {job} AND batch_no IN (1, 3)".encode()
    )
    found = list(proof.verify(own_client.conn, job))
    assert {(1, 1), (1, 2), (1, 3), (3, 1)} == {
        (each.batch_no, each.version) for each in found if each.field == "digest" and each.log_is_damaged
    }
    assert rebuild(own_client.conn, job).damaged
    rebuild(own_client.conn, job, trust_log=True)
    assert [] == list(proof.verify(own_client.conn, job))


def test_events_below_all_jobs_are_found(conn: Connection, own_client: Client) -> None:
    day = own_client.rows("SELECT job_day FROM evtrack.job WHERE job_id = %s", own_client.job(1))[0]["job_day"]
    part = own_client.one("SELECT tableoid::regclass::text FROM evtrack.event LIMIT 1")
    conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
    add = f"INSERT INTO {part} (job_day, job_id, batch_no, version, type) VALUES (%s, -5, 1, 1, 'enqueued')"
    conn.execute(add.encode(), [day])
    assert -5 in {each.job_id for each in proof.verify(conn)}


def test_rows_without_a_job_or_on_another_day_are_found(conn: Connection, own_client: Client) -> None:
    job, lost = own_client.job(2), own_client.job(2)
    conn.execute("DELETE FROM evtrack.job WHERE job_id = %s", [lost])
    part = own_client.one("SELECT tableoid::regclass::text FROM evtrack.event WHERE job_id = %s LIMIT 1", job)
    conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
    conn.execute(b"ALTER TABLE evtrack.event DISABLE TRIGGER USER")
    conn.execute("DELETE FROM evtrack.event WHERE job_id = %s AND batch_no = 0", [lost])
    conn.execute("SELECT evtrack.make_partitions(DATE '2030-01-01', 1)")
    conn.execute("ALTER TABLE evtrack.event_20300101 DISABLE TRIGGER USER")
    conn.execute("UPDATE evtrack.event SET job_day = '2030-01-01' WHERE job_id = %s AND batch_no = 2", [job])
    conn.execute(f"UPDATE {part} SET data = '[]' WHERE job_id = {job} AND batch_no = 1".encode())
    found = {(each.job_id, each.batch_no, each.field) for each in proof.verify(conn)}
    assert {(job, 2, "job_day"), (job, 1, "data"), (lost, 0, "job")} <= found


def test_events_older_than_digests_are_only_folded(own_client: Client) -> None:
    job = eventful_job(own_client)
    own_client.conn.execute("UPDATE evtrack.batch SET links = NULL WHERE job_id = %s AND batch_no = 1", [job])
    own_client.conn.execute("UPDATE evtrack.job SET links = NULL WHERE job_id = %s", [job])
    own_client.conn.execute("DELETE FROM evtrack.job_link WHERE job_id = %s", [job])
    found = list(proof.verify(own_client.conn, job))
    assert {"digest over all streams"} == {each.field for each in found}, "only the job's own digest misses them"
    own_client.conn.execute("UPDATE evtrack.batch SET status = 'failed' WHERE job_id = %s AND batch_no = 1", [job])
    assert "status" in {each.field for each in proof.verify(own_client.conn, job)}


def test_working_workers_do_not_disturb_verification(dsn: str, conn: Connection, own_client: Client) -> None:
    job = own_client.job(400)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with connect(dsn, purpose="worker") as mine:
                there = Client(mine, own_client.handler)
                worker = there.worker()
                while claims := there.claim(worker, job, fresh=3):
                    there.fail(worker, claims[:1])
                    there.complete(worker, claims[1:])
        except BaseException as error:  # noqa: BLE001  # shown by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    looks = 0
    while any(thread.is_alive() for thread in threads):
        assert [] == [str(each) for each in proof.verify(conn)]
        looks += 1
    for thread in threads:
        thread.join()
    assert [] == failures
    assert looks > 1
