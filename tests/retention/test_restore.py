"""A restored archive is identical: every event, and the projection that follows from them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from client import Client
from command_line import evtrack
from evtrack.domain.errors import ArchiveDamaged, ArchiveError
from evtrack.interfaces.words.events import event_sentence
from evtrack.runtime.retention.archive_files import read_lines
from evtrack.runtime.retention.cleanup import Cleanup
from evtrack.runtime.retention.day_digests import DayDigests
from evtrack.runtime.retention.manifest import read_manifest
from evtrack.runtime.retention.restore import Restore, RestoredJob
from evtrack.storage.connection.connect import connect
from evtrack.storage.log import proof
from evtrack.storage.log.reader import Tail
from evtrack.storage.reports.batch_reports import batch_history
from evtrack.storage.retention.restore import prepare_day, restore_job
from old_jobs import days_ago, ended_job, old_job, partition_days
from servers import cloned

pytestmark = pytest.mark.integration
DAY = days_ago(9)


@pytest.fixture
def elsewhere(admin_dsn: str, template: str) -> Iterator[Client]:
    """Another database, in which nothing has happened."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        yield Client(conn)


def rows(own_client: Client, table: str, job: int) -> list[dict[str, Any]]:
    """Return a job's rows, in an order."""
    return sorted(own_client.rows(f"SELECT * FROM evtrack.{table} WHERE job_id = %s", job), key=str)


def crashed_job(own_client: Client) -> int:
    """Return a job with three batches, one of them split by a crash, and one poison item."""
    job, worker = old_job(own_client, DAY, 3, items=2, max_crashes=1), own_client.worker()
    claims = own_client.claim(worker, job)
    own_client.complete(worker, claims[:2], results=['{"ok": 1}\n', '\n{"ok": 2}'])
    own_client.crash(worker, claims[2:], cause="signal", signal="SIGSEGV", ordinal=5, item_key="key:5")
    own_client.complete(worker, own_client.claim(worker, job))
    assert own_client.one("SELECT evtrack.finish_due(%s)", job)
    return job


def archive(own_client: Client, folder: Path, *, with_payload: bool = True) -> None:
    """Archive and drop all that has ended."""
    list(Cleanup(conn=own_client.conn, older_than_s=0, archive=folder, with_payload=with_payload).run())
    assert DAY not in partition_days(own_client)


def restore(own_client: Client, folder: Path, *job_ids: int) -> list[RestoredJob]:
    """Restore all, or these jobs."""
    return list(Restore(conn=own_client.conn, directory=folder, job_ids=job_ids or None).run())


@pytest.mark.parametrize("other_database", [True, False])
def test_a_restored_job_is_identical(
    own_client: Client,
    elsewhere: Client,
    tmp_path: Path,
    other_database: bool,  # noqa: FBT001
) -> None:
    job, quiet = crashed_job(own_client), ended_job(own_client, DAY)
    tables = ("event", "batch", "payload", "result", "job")
    before = {table: rows(own_client, table, job) for table in tables}
    sums, digest = own_client.sums(job), own_client.one("SELECT evtrack.job_digest(%s)", job)
    archive(own_client, tmp_path)
    target = elsewhere if other_database else own_client
    done = restore(target, tmp_path)
    assert [(job, False), (quiet, False)] == [(each.job_id, each.was_there) for each in done]
    assert before == {table: rows(target, table, job) for table in tables}
    assert (sums, digest) == (target.sums(job), target.one("SELECT evtrack.job_digest(%s)", job))
    target.check(job, quiet)
    assert [] == target.rows("SELECT * FROM evtrack.dropped_job")
    # The guard of the partition is in its place again.
    with pytest.raises(psycopg.Error, match="append-only"):
        target.conn.execute(f"INSERT INTO evtrack.event_{DAY:%Y%m%d} SELECT * FROM evtrack.event LIMIT 1".encode())
    # A new job gets a new number, and the old one can go on.
    assert target.job() > quiet
    assert 1 == target.one("SELECT evtrack.retry(%s)", job)
    target.check(job)


def test_a_restored_worker_is_named_if_its_id_belongs_to_another(
    own_client: Client, elsewhere: Client, tmp_path: Path
) -> None:
    job = crashed_job(own_client)
    elsewhere.worker()
    mine = own_client.one("UPDATE evtrack.worker SET name = 'who it was' RETURNING worker_id")
    # As with the ids of releases that counted them.
    elsewhere.conn.execute("UPDATE evtrack.worker SET worker_id = %s, name = 'another', host = 'elsewhere'", [mine])
    archive(own_client, tmp_path / "here")
    restore(elsewhere, tmp_path / "here")
    workers = "SELECT DISTINCT worker_id, worker FROM evtrack.batch_status WHERE job_id = %s AND worker_id IS NOT NULL"
    assert [(mine, "who it was")] == [tuple(row.values()) for row in elsewhere.rows(workers, job)]
    assert [("who it was", None)] == [
        tuple(row.values()) for row in elsewhere.rows("SELECT DISTINCT worker, host FROM evtrack.crash")
    ]
    told = batch_history(elsewhere.conn, job, 1)
    assert f"started by worker {mine} (who it was), attempt 1" == event_sentence(told.events[1], told.restored)
    # What it does here is done by whom it is done here.
    assert 1 == elsewhere.one("SELECT evtrack.retry(%s)", job)
    elsewhere.handler = own_client.handler
    worker = elsewhere.one("UPDATE evtrack.worker SET handlers = ARRAY[%s] RETURNING worker_id", own_client.handler)
    elsewhere.complete(worker, elsewhere.claim(worker, job))
    assert {"who it was", "another"} == {row["worker"] for row in elsewhere.rows(workers, job)}
    assert elsewhere.one("SELECT evtrack.finish_due(%s)", job)
    # And it takes the names along when it goes again.
    archive(elsewhere, tmp_path / "there")
    assert {str(mine): "who it was"} == read_manifest(tmp_path / "there" / str(DAY)).jobs[0].workers


def test_existing_jobs_are_skipped_and_different_jobs_refused(
    own_client: Client, elsewhere: Client, tmp_path: Path
) -> None:
    first, second = ended_job(own_client, DAY), ended_job(own_client, DAY)
    archive(own_client, tmp_path)
    assert [second] == [each.job_id for each in restore(elsewhere, tmp_path, second)]
    assert [(first, False), (second, True)] == [(each.job_id, each.was_there) for each in restore(elsewhere, tmp_path)]
    with pytest.raises(ArchiveError, match="contains no job 4711"):
        restore(elsewhere, tmp_path, 4711)


def test_ids_of_other_jobs_stop_the_restore_before_it_begins(
    own_client: Client, elsewhere: Client, tmp_path: Path
) -> None:
    ended_job(own_client, DAY)
    ended_job(own_client, DAY)
    taken = ended_job(elsewhere, DAY)
    archive(own_client, tmp_path)
    with pytest.raises(ArchiveError, match=f"other jobs with the numbers {taken}"):
        restore(elsewhere, tmp_path)
    list(Cleanup(conn=elsewhere.conn, older_than_s=0).run())
    with pytest.raises(ArchiveError, match=f"other jobs with the numbers {taken}"):
        restore(elsewhere, tmp_path)
    assert [] == elsewhere.rows("SELECT * FROM evtrack.job")


def test_a_damaged_archive_is_not_restored(own_client: Client, elsewhere: Client, tmp_path: Path) -> None:
    ended_job(own_client, DAY)
    archive(own_client, tmp_path)
    file = tmp_path / str(DAY) / "payloads.jsonl.gz"
    content = bytearray(file.read_bytes())
    content[20] ^= 4
    file.write_bytes(content)
    with pytest.raises(ArchiveDamaged, match="payloads"):
        restore(elsewhere, tmp_path)
    assert [] == elsewhere.rows("SELECT * FROM evtrack.job")


def test_events_that_do_not_match_the_digest_are_not_restored(
    own_client: Client, elsewhere: Client, tmp_path: Path
) -> None:
    job = ended_job(own_client, DAY)
    archive(own_client, tmp_path)
    prepare_day(elsewhere.conn, DAY, job)
    lines = list(read_lines(tmp_path / str(DAY) / "events.jsonl.gz"))
    forged = [line.replace(b'"run_s": 0.5', b'"run_s": 0.4') for line in lines]
    assert lines != forged
    digest = own_client.one("SELECT digest FROM evtrack.dropped_job")
    with pytest.raises(ArchiveError, match=r"not a valid evtrack log:\n.*digest"):
        restore_job(elsewhere.conn, DAY, job, digest=digest, tables={"events": forged})
    with pytest.raises(ArchiveError, match="was not restored as it was"):
        restore_job(elsewhere.conn, DAY, job, digest="00" * 32, tables={"events": lines})
    assert [] == elsewhere.rows("SELECT * FROM evtrack.event")
    assert len(lines) == restore_job(elsewhere.conn, DAY, job, digest=digest, tables={"events": lines})


def test_without_payloads_the_log_is_restored_and_a_retry_reports_what_is_missing(
    own_client: Client, elsewhere: Client, tmp_path: Path
) -> None:
    job = crashed_job(own_client)
    archive(own_client, tmp_path, with_payload=False)
    restore(elsewhere, tmp_path)
    elsewhere.check(job)
    with pytest.raises(psycopg.Error, match=f"the items of job {job} are not stored"):
        elsewhere.one("SELECT evtrack.retry(%s)", job)


def test_only_missing_items_that_were_archived_are_reported(
    own_client: Client, elsewhere: Client, tmp_path: Path
) -> None:
    bare = crashed_job(own_client)
    archive(own_client, tmp_path / "bare", with_payload=False)
    restore(elsewhere, tmp_path / "bare", bare)
    assert [] == list(proof.verify(elsewhere.conn))
    archive(elsewhere, tmp_path / "again", with_payload=True)
    assert [] == elsewhere.rows("SELECT * FROM evtrack.restored"), "it goes with the job"
    restore(elsewhere, tmp_path / "again")
    assert [] == list(proof.verify(elsewhere.conn)), "its archive has a file of items, and none of its own"

    there = crashed_job(own_client)
    archive(own_client, tmp_path / "whole", with_payload=True)
    restore(own_client, tmp_path / "whole", there)
    assert [] == list(proof.verify(own_client.conn))
    own_client.conn.execute("DELETE FROM evtrack.payload WHERE job_id = %s", [there])
    assert [(there, "payload rows", "6", "0")] == [
        (each.job_id, each.field, each.log, each.projection) for each in proof.verify(own_client.conn)
    ]


def test_an_interrupted_restore_can_be_continued(own_client: Client, elsewhere: Client, tmp_path: Path) -> None:
    first, second = ended_job(own_client, DAY), ended_job(own_client, DAY)
    archive(own_client, tmp_path)
    begun = Restore(conn=elsewhere.conn, directory=tmp_path).run()
    assert first == next(begun).job_id
    begun.close()
    assert [(first, True), (second, False)] == [(each.job_id, each.was_there) for each in restore(elsewhere, tmp_path)]


def test_events_of_another_cluster_come_first_in_the_log(own_client: Client, elsewhere: Client, tmp_path: Path) -> None:
    job = ended_job(own_client, DAY)
    archive(own_client, tmp_path)
    lines = read_lines(tmp_path / str(DAY) / "events.jsonl.gz")
    # As from a cluster that has seen many more transactions than this one.
    foreign = [re.sub(rb'"xid":"(\d+)"', rb'"xid":"99\g<1>000000"', line) for line in lines]
    # The digest in its finished event is of the other transactions.
    foreign = [re.sub(rb'"digest": "\w+", |, "snapshot": "[0-9:,]+"', b"", line) for line in foreign]
    prepare_day(elsewhere.conn, DAY, job)
    digests = DayDigests()
    events = list(digests.observe(foreign))
    restore_job(elsewhere.conn, DAY, job, digest=digests.jobs[job].digest, tables={"events": events})
    ended_job(elsewhere, days_ago(0))
    for only in ((DAY, job), None):
        tail = Tail(conn=elsewhere.conn, job=only)
        read = [(event.job_id, event.batch_no, event.version) for event in tail.read()]
        assert len(set(read)) == len(read)
        assert len(events) == sum(1 for number, *_ in read if number == job)
        elsewhere.job()
        assert not [event for event in tail.read() if event.job_id == job]


def test_the_command_restores_and_the_next_cleanup_drops_again(own_client: Client, dsn: str, tmp_path: Path) -> None:
    job = crashed_job(own_client)
    archive(own_client, tmp_path)
    folder = own_client.one("SELECT archive FROM evtrack.dropped_job")
    ran = evtrack("archive", "restore", folder, "--job", str(job), "--dsn", dsn)
    assert (0, "Restored 1 job.") == (ran.returncode, ran.stdout.splitlines()[-1]), ran.stderr
    again = evtrack("archive", "restore", folder, "--dsn", dsn, "--json")
    assert [True] == [row["was_there"] for row in json.loads(again.stdout)]
    assert 0 == evtrack("verify", str(job), "--dsn", dsn).returncode
    assert str(job) in evtrack("status", str(job), "--dsn", dsn).stdout
    archive(own_client, tmp_path)
    assert [job] == [row["job_id"] for row in own_client.rows("SELECT job_id FROM evtrack.dropped_job")]
