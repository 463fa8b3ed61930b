"""The examples that track batches without evtrack's worker: in psql, and in a Node program that is killed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from client import Client
from command_line import environment
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.redact import without_password
from evtrack.storage.embedded.data_directory import programs
from polling import eventually

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(dsn: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program that finds psql on its path and the password in its environment."""
    _, password = without_password(dsn)
    env = environment(PATH=f"{programs()}{os.pathsep}{os.environ['PATH']}", PGPASSWORD=password or "")
    return subprocess.run(words, check=False, capture_output=True, text=True, env=env, timeout=60)


def test_the_psql_script_tracks_a_job_to_its_end(dsn: str, conn: Connection) -> None:
    script = str(EXAMPLES / "track.sql")
    said = run(dsn, "psql", dsn, "-X", "-v", "ON_ERROR_STOP=1", "-f", script)
    assert 0 == said.returncode, said.stderr
    lines = [line for line in said.stdout.splitlines() if line not in {"", "t"}]
    assert ["submitted job 1, batches 3", "started", "1|1|doc:1", "doc:2", "2|1|doc:3", "doc:4"] == lines[:6]
    assert ["reported", "1|ok", "2|retry", "3|split"] == lines[8:12]
    assert ["done 3 more, finished t", "finished|6|0|0|0"] == lines[12:]
    Client(conn).check(1)


def test_the_node_program_tracks_its_batches_and_is_reported_lost_when_it_dies(dsn: str, conn: Connection) -> None:
    if shutil.which("node") is None:
        assert not os.environ.get("EVTRACK_TEST_NODE"), "node is not installed"
        pytest.skip("node is not installed")
    client = Client(conn, "words")
    texts = ['{"text": "one two"}', '{"n": 1}', '{"text": "it\'s \\\\ three"}', '{"text": "dies", "kill": true}']
    job = client.one(
        "SELECT evtrack.enqueue('words', %s, %s, batch_size => 1, policy => '{\"max_errors\": 1, \"max_losses\": 2}')",
        [f"doc:{n}" for n in range(1, 5)],
        texts,
    )
    words = ("node", str(EXAMPLES / "track.mjs"), dsn, "words")
    first = run(dsn, *words)
    assert -9 == first.returncode, (first.stdout, first.stderr)
    assert ["ok", "failed", "ok"] == [line.split()[-1] for line in first.stdout.splitlines()]
    # The fourth was never reported. A reaper finds that the session is gone.
    reap = "SELECT why, batches FROM evtrack.reap('0.2 seconds', '1 hour')"
    (lost,) = eventually(lambda: client.rows(reap), 20)
    assert {"why": "session gone", "batches": 1} == lost
    assert ["enqueued", "started", "crashed", "requeued"] == client.types(job, 4)
    # A client that does not mark its items: the suspect is in hand from the second death on, and alone from the third.
    for status in ("pending", "pending", "crashed"):
        again = run(dsn, *words)
        assert -9 == again.returncode, (again.stdout, again.stderr)
        eventually(lambda: client.rows(reap), 20)
        assert status == client.batch(job, 4).status
    last = run(dsn, *words)
    assert (0, "") == (last.returncode, last.stdout), last.stderr
    assert "finished" == client.phase(job), "the last has finished what the one before did not live to finish"
    results = client.rows("SELECT item_key, result FROM evtrack.item_result WHERE job_id = %s ORDER BY ordinal", job)
    assert [("doc:1", "2"), ("doc:3", "3")] == [(row["item_key"], row["result"]) for row in results]
    client.check(job)


def test_the_node_program_reports_another_that_was_killed(dsn: str, conn: Connection) -> None:
    if shutil.which("node") is None:
        assert not os.environ.get("EVTRACK_TEST_NODE"), "node is not installed"
        pytest.skip("node is not installed")
    client = Client(conn, "words")
    client.job()
    dead = client.worker()
    assert [1] == [claim.batch_no for claim in client.claim(dead, 1)]
    conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 minute'")
    client.run_steadily()
    ran = run(dsn, "node", str(EXAMPLES / "track.mjs"), dsn, "words")
    assert 0 == ran.returncode, ran.stderr
    assert ["enqueued", "started", "crashed", "requeued"] == client.types(1)[:4]
