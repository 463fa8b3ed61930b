"""A submitter waits for a full queue for a bounded time, and reports how long it waited."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import Client
from command_line import evtrack
from evtrack.domain.errors import QueueFull
from evtrack.runtime.submit.progress import SubmitProgress
from evtrack.runtime.submit.submission import JobSpec, begin, files, recipe
from evtrack.runtime.submit.submitter import Submitter
from evtrack.storage.connection.connect import Connection, connect
from polling import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A hundred items, and an invalid one behind each ten."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"id":{n}}}\n' + ("null\n" if n % 10 == 0 else "") for n in range(1, 101)))
    return path


@pytest.fixture
def submitting(dsn: str) -> Iterator[Connection]:
    """A connection for the submitter."""
    with connect(dsn, purpose="submit") as connection:
        yield connection


def prepared(conn: Connection, source: Path, seen: list[SubmitProgress], *, max_wait_s: float) -> Submitter:
    made = recipe(key=("id",), batch_size=1)
    return begin(
        conn,
        source=files([str(source)], made),
        recipe=made,
        spec=JobSpec(handler="h"),
        max_pending=10,
        max_wait_s=max_wait_s,
        on_progress=seen.append,
    )


def test_no_more_batches_wait_than_are_allowed(submitting: Connection, conn: Connection, source: Path) -> None:
    seen: list[SubmitProgress] = []
    most: list[int] = []
    client = Client(conn, "h")
    submitter = prepared(submitting, source, seen, max_wait_s=60)
    thread = threading.Thread(target=submitter.run)
    thread.start()
    worker = client.worker()

    def work() -> bool:
        most.append(client.one("SELECT sum(pending_batches)::int FROM evtrack.progress") or 0)
        client.complete(worker, client.claim(worker, submitter.job_id, fresh=3))
        return client.one("SELECT sum(completed_batches)::int FROM evtrack.progress") == 100

    eventually(work, 60)
    thread.join(20)
    assert not thread.is_alive()
    assert max(most) <= 10
    assert max(most) > 5
    client.one("SELECT evtrack.finish_due(%s)", submitter.job_id)
    assert "finished" == client.phase(submitter.job_id)


def test_progress_with_a_full_queue_counts_invalid_items_and_never_decreases(
    submitting: Connection, conn: Connection, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evtrack.runtime.submit.submitter._REPORT_EVERY_S", 0.0)
    monkeypatch.setattr("evtrack.sources.byte_streams.BLOCK_BYTES", 100)
    seen: list[SubmitProgress] = []
    client = Client(conn, "h")
    submitter = prepared(submitting, source, seen, max_wait_s=60)
    thread = threading.Thread(target=submitter.run)
    thread.start()
    worker = client.worker()
    # Let it be held back while invalid items are among those that it has read.
    eventually(lambda: any(now.waited_s and now.invalid for now in seen), 30)
    shown: list[tuple[int, int]] = []

    def work() -> bool:
        client.complete(worker, client.claim(worker, submitter.job_id, fresh=4))
        (row,) = client.rows("SELECT ended, total, invalid FROM evtrack.job_progress")
        assert row["invalid"] <= row["ended"] <= row["total"]
        shown.append((row["ended"], row["total"]))
        return not thread.is_alive() and row["ended"] == row["total"]

    eventually(work, 60)
    assert sorted(shown) == shown
    assert (110, 110) == shown[-1], "and the invalid ones are among them"
    for figure in ("items", "invalid", "batches", "bytes_read"):
        figures = [getattr(now, figure) for now in seen]
        assert sorted(figures) == figures, figure
    assert (100, 10) == (seen[-1].items, seen[-1].invalid)
    assert all(now.invalid >= now.items // 10 - 1 for now in seen)


def test_a_queue_that_stays_full_ends_the_submission_with_correct_figures(
    submitting: Connection, conn: Connection, source: Path
) -> None:
    seen: list[SubmitProgress] = []
    submitter = prepared(submitting, source, seen, max_wait_s=1.0)
    begun = time.monotonic()
    with pytest.raises(QueueFull) as full:
        submitter.run()
    took = time.monotonic() - begun
    assert 1.0 <= full.value.waited_s <= took
    pending = conn.execute("SELECT sum(pending_batches) FROM evtrack.progress").fetchone()
    assert pending == (full.value.pending,)
    assert 10 == full.value.limit
    assert f"waited {full.value.waited_s:.1f} s" in str(full.value)
    assert f"evtrack submit --resume {submitter.job_id}" in str(full.value)
    assert ("open",) == conn.execute("SELECT phase FROM evtrack.job").fetchone()


def test_the_command_reports_the_actual_wait_and_can_be_resumed(dsn: str, conn: Connection, source: Path) -> None:
    args = ["--batch-size", "1", "--key", "id", "--max-pending", "10", "--max-wait", "0.5", "--dsn", dsn]
    done = evtrack("submit", str(source), "--handler", "h", *args)
    assert 1 == done.returncode
    waited = re.search(r"(\d+) batches pending, at most 10 allowed, waited (\d+\.\d) s", done.stderr)
    assert waited is not None, done.stderr
    assert 0.5 <= float(waited[2]) < 5
    assert "evtrack submit --resume 1" in done.stderr
    done = evtrack("submit", "--resume", "1", "--dsn", dsn)
    assert 0 == done.returncode, done.stderr
    job = conn.execute("SELECT phase, item_count, invalid_count FROM evtrack.job").fetchone()
    assert ("sealed", 100, 10) == job
    assert (100,) == conn.execute("SELECT count(DISTINCT item_key) FROM evtrack.payload").fetchone()


def test_a_waiting_submitter_can_be_stopped(submitting: Connection, conn: Connection, source: Path) -> None:
    seen: list[SubmitProgress] = []
    submitter = prepared(submitting, source, seen, max_wait_s=60)
    thread = threading.Thread(target=submitter.run)
    thread.start()
    eventually(lambda: any(now.waited_s for now in seen), 30)
    submitter.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert ("open",) == conn.execute("SELECT phase FROM evtrack.job").fetchone()
