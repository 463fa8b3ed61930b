"""A cleanup writes each day into an archive, and reads it back before it drops the day."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from client import Client
from command_line import evtrack
from evtrack.domain.errors import ArchiveDamaged, ArchiveError
from evtrack.runtime.retention import day_archive
from evtrack.runtime.retention.archive_check import check_archive
from evtrack.runtime.retention.archive_files import read_lines
from evtrack.runtime.retention.cleanup_result import DroppedDay
from old_jobs import days_ago, ended_job, kept_days, old_job, partition_days, run_cleanup

pytestmark = pytest.mark.integration
DAY = days_ago(9)


def test_the_archive_holds_the_log_and_the_requested_parts(own_client: Client, tmp_path: Path) -> None:
    job = ended_job(own_client, DAY, 3, items=2)
    events = own_client.rows("SELECT * FROM evtrack.event WHERE job_id = %s ORDER BY batch_no, version", job)
    columns = {
        row["attname"]
        for row in own_client.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'evtrack.event'::regclass"
            " AND attnum > 0 AND NOT attisdropped"
        )
    }
    digest = own_client.one("SELECT encode(evtrack.job_digest(%s), 'hex')", job)
    run_cleanup(own_client, tmp_path, with_payload=True)
    folder = tmp_path / str(DAY)
    written = [json.loads(line) for line in read_lines(folder / "events.jsonl.gz")]
    assert [{**e, "job_day": str(e["job_day"]), "at": 0, "xid": 0} for e in events] == [
        {**e, "at": 0, "xid": 0} for e in written
    ]
    assert columns == set(written[0])
    assert [f"key:{n}" for n in range(1, 7)] == [
        json.loads(line)["item_key"] for line in read_lines(folder / "payloads.jsonl.gz")
    ]
    assert 3 == sum(1 for _ in read_lines(folder / "results.jsonl.gz"))
    manifest, differences = check_archive(folder)
    assert [] == differences
    assert manifest is not None
    assert digest == manifest.jobs[0].digest
    (line,) = own_client.rows("SELECT digest, events, archive FROM evtrack.dropped_job")
    told = manifest.jobs[0]
    assert (told.digest, told.events, str(folder)) == (line["digest"], line["events"], line["archive"])


def test_a_damaged_archive_stops_the_drop(own_client: Client, own_other: Client, tmp_path: Path) -> None:
    ended_job(own_client, DAY)
    with own_other.conn.transaction():
        own_other.conn.execute("SELECT FROM evtrack.event LIMIT 1")
        assert [(DAY, "busy", None)] == kept_days(run_cleanup(own_client, tmp_path))
    file = tmp_path / str(DAY) / "events.jsonl.gz"
    whole = file.read_bytes()
    file.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    with pytest.raises(ArchiveDamaged, match=r"events\.jsonl\.gz"):
        run_cleanup(own_client, tmp_path)
    assert DAY in partition_days(own_client)
    file.write_bytes(whole)
    (done,) = run_cleanup(own_client, tmp_path)
    assert isinstance(done, DroppedDay)


def test_an_archive_of_other_jobs_is_not_overwritten(own_client: Client, tmp_path: Path) -> None:
    ended_job(own_client, DAY)
    run_cleanup(own_client, tmp_path)
    before = (tmp_path / str(DAY) / "manifest.json").read_bytes()
    ended_job(own_client, DAY)
    with pytest.raises(ArchiveError, match="other jobs"):
        run_cleanup(own_client, tmp_path)
    assert before == (tmp_path / str(DAY) / "manifest.json").read_bytes()
    assert DAY in partition_days(own_client)


def test_an_unwritable_directory_stops_the_drop(own_client: Client, tmp_path: Path) -> None:
    ended_job(own_client, DAY)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError, match="Cannot write the archive"):
        run_cleanup(own_client, tmp_path / "file")
    assert DAY in partition_days(own_client)


def test_an_interrupted_read_ends_the_cleanup_and_the_next_one_succeeds(
    own_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_job(own_client, DAY)

    def full(path: Path, lines: Iterator[bytes]) -> int:  # noqa: ARG001
        next(iter(lines))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(day_archive, "write_lines", full)
    with pytest.raises(ArchiveError, match="No space left on device"):
        run_cleanup(own_client, tmp_path)
    assert [] == list(tmp_path.iterdir())
    monkeypatch.undo()
    (done,) = run_cleanup(own_client, tmp_path)
    assert isinstance(done, DroppedDay)


def test_a_day_without_jobs_is_dropped_without_an_archive(own_client: Client, tmp_path: Path) -> None:
    own_client.conn.execute("SELECT evtrack.make_partitions(%s, 1)", [DAY])
    (done,) = run_cleanup(own_client, tmp_path)
    assert isinstance(done, DroppedDay)
    assert [] == list(tmp_path.iterdir())


def test_the_commands_report_each_step_of_archive_and_drop(own_client: Client, dsn: str, tmp_path: Path) -> None:
    gone, stays = ended_job(own_client, DAY), old_job(own_client, DAY - timedelta(1))
    common = ("cleanup", "--dsn", dsn, "--older-than", "0s", "--archive", str(tmp_path))
    dry = evtrack(*common, "--dry-run")
    assert (0, f"job {stays} is sealed") == (dry.returncode, dry.stdout.splitlines()[0].split("kept, ")[1])
    assert f"{DAY}: would be dropped, 1 job, 2 batches, 10 events, " in dry.stdout
    assert DAY in partition_days(own_client)
    ran = evtrack(*common)
    assert 0 == ran.returncode, ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("Dropped 1 day: 1 job, 2 batches, 10 events")
    # What was to go is what went, to the byte.
    told = re.sub("would be dropped", "dropped", re.sub("Would drop", "Dropped", dry.stdout))
    assert told == re.sub(r", archived to \S+", "", ran.stdout)
    again = evtrack(*common, "--json")
    assert (0, []) == (again.returncode, json.loads(again.stdout)["dropped"])
    assert stays == json.loads(again.stdout)["kept"][0]["job_id"]
    status = evtrack("status", str(gone), "--dsn", dsn)
    assert 0 == status.returncode
    assert "dropped" in status.stdout
    assert 10 == json.loads(evtrack("status", str(gone), "--dsn", dsn, "--json").stdout)["events"]
    refused = evtrack("results", str(gone), "--dsn", dsn)
    assert (1, True) == (refused.returncode, f"archived to {tmp_path / str(DAY)}" in refused.stderr)
    assert 0 == evtrack("archive", "verify", str(tmp_path)).returncode
