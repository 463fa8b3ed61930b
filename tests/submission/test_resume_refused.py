"""A submission is not resumed while its submitter lives, by a replaced submitter, or from a changed source."""

from pathlib import Path

import pytest

from command_line import evtrack
from evtrack.domain.errors import SourceChanged, SubmissionLost
from evtrack.runtime.submit.submission import JobSpec, begin, files, recipe, reclaim
from evtrack.storage.connection.connect import Connection, connect
from polling import eventually


@pytest.mark.integration
def test_a_live_submitter_keeps_its_job(
    dsn: str, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evtrack.runtime.submit.submission._RECLAIM_FOR_S", 0.2)
    path = tmp_path / "a.jsonl"
    path.write_text("1\n2\n")
    made = recipe()
    with connect(dsn, purpose="first") as first:
        submitter = begin(first, source=files([str(path)], made), recipe=made, spec=JobSpec(handler="h"))
        with pytest.raises(SubmissionLost, match="still being submitted"):
            reclaim(conn, submitter.job_id)
    assert submitter.job_id == eventually(lambda: reclaim(conn, submitter.job_id)).job_id


@pytest.mark.integration
def test_a_replaced_submitter_cannot_add_items(dsn: str, conn: Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("1\n2\n")
    made = recipe()
    with connect(dsn, purpose="first") as first:
        late = begin(first, source=files([str(path)], made), recipe=made, spec=JobSpec(handler="h"))
        first.execute("SELECT pg_advisory_unlock_all()")
        assert 2 == reclaim(conn, late.job_id).run().items
        with pytest.raises(SubmissionLost, match="took the job over"):
            late.run()
    assert (2,) == conn.execute("SELECT count(*) FROM evtrack.payload").fetchone()


@pytest.mark.integration
def test_a_changed_source_is_not_resumed(dsn: str, conn: Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("1\n2\n")
    made = recipe()
    with connect(dsn, purpose="first") as first:
        job = begin(first, source=files([str(path)], made), recipe=made, spec=JobSpec(handler="h")).job_id
    path.write_text("1\n2\n3\n")
    with pytest.raises(SourceChanged, match="it has changed since"):
        reclaim(conn, job)
    done = evtrack("submit", "--resume", str(job), "--dsn", dsn)
    assert 1 == done.returncode
    assert "Restore the source as it was" in done.stderr
