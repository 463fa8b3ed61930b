"""`evtrack doctor` finds real problems of databases, workers and poolers."""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import make_conninfo

import servers
from client import Client
from command_line import evtrack
from evtrack.interfaces.cli import cli
from evtrack.interfaces.cli.monitoring import doctor
from evtrack.runtime.doctor import findings
from evtrack.storage.connection.connect import Connection, connect
from pgbouncer import pooled
from polling import eventually
from workers import worker_process

pytestmark = pytest.mark.integration


def examine(dsn: str, *options: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Run the command, and return its exit code and (level, text, next) of each check's worst finding."""
    done = ask("doctor", "--dsn", dsn, *options)
    return done.exit_code, worst(json.loads(done.stdout))


def ask(*words: str) -> Result:
    """Run a command with --json in this process."""
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.stdout, done.output
    return done


def worst(document: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    levels = {"ok": 0, "note": 1, "problem": 2}
    found = sorted(document["findings"], key=lambda finding: levels[finding["level"]])
    assert document["ok"] is all(finding["level"] != "problem" for finding in found)
    return {finding["check"]: (finding["level"], finding["message"], finding["next"]) for finding in found}


@pytest.fixture
def client(conn: Connection) -> Client:
    return Client(conn, "annotate")


def test_a_canary_passes_through_a_live_worker_and_is_hidden_from_listings(dsn: str, client: Client) -> None:
    with worker_process(dsn, "--slots", "1"):
        eventually(lambda: client.one("SELECT count(*) FROM evtrack.worker"))
        code, found = examine(dsn, "--canary-timeout", "60")
    # Roles are of the cluster, and other tests make and drop them.
    wrong = {check: finding for check, finding in found.items() if finding[0] == "problem" and check != "roles"}
    assert {} == wrong
    assert code == (found.get("roles", ("ok",))[0] == "problem")
    level, says, _ = found["canary"]
    assert "ok" == level
    assert "completed it in" in says
    assert {"ok"} == {found[check][0] for check in ("clock", "notify", "horizon", "schema", "partitions", "queue")}
    assert ["finished"] == [row["phase"] for row in client.rows("SELECT phase::text FROM evtrack.job")]
    assert [] == json.loads(ask("jobs", "--dsn", dsn).stdout)
    assert {} == json.loads(ask("status", "--dsn", dsn).stdout)["phases"]
    assert 0 == json.loads(ask("health", "--dsn", dsn).stdout)["attempts"]
    assert ["scripted" in client.one("SELECT handlers FROM evtrack.worker")] == [True]
    assert "evtrack.canary" not in client.one("SELECT handlers FROM evtrack.worker")


def test_a_hanging_worker_is_found_by_its_canary(dsn: str, client: Client) -> None:
    with worker_process(dsn, "--slots", "1") as worker:
        eventually(lambda: client.one("SELECT count(*) FROM evtrack.worker"))
        os.kill(worker.pid, signal.SIGSTOP)
        code, found = examine(dsn, "--canary-timeout", "0.5")
        os.kill(worker.pid, signal.SIGCONT)
    assert (1, "problem", "no worker completed it within 0.5 s") == (code, *found["canary"][:2])
    assert ["cancelled"] == [row["phase"] for row in client.rows("SELECT phase::text FROM evtrack.job")]


def test_a_busy_worker_is_not_a_problem(dsn: str, client: Client) -> None:
    client.one("SELECT evtrack.heartbeat(%s, 2)", client.worker())
    _, found = examine(dsn, "--canary-timeout", "0.1")
    assert ("note", "no worker completed it within 0.1 s: all slots are busy", "") == found["canary"]


def test_an_unmigrated_schema_is_reported(empty_dsn: str, conn: Connection, dsn: str) -> None:
    code, found = examine(empty_dsn)
    assert (1, ("problem", "the database has no evtrack schema", "evtrack migrate up")) == (code, found["schema"])
    assert "queue" not in found, "what needs the schema is not looked at"
    conn.execute("UPDATE evtrack.schema_object SET checksum = 'x' WHERE path = 'views/batches/crash.sql'")
    code, found = examine(dsn)
    assert (1, "problem", "evtrack migrate up") == (code, found["schema"][0], found["schema"][2])
    assert "views/batches/crash.sql" in found["schema"][1]


def test_a_role_without_rights_is_reported_with_the_grant(dsn: str, conn: Connection) -> None:
    name = f"evtrack_test_role_{os.getpid()}"
    conn.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'".encode())
    try:
        code, found = examine(make_conninfo(dsn, user=name, password="x"))
        assert (1, "problem", f"role {name} has no rights on evtrack") == (code, *found["rights"][:2])
        assert f'TO "{name}"' in found["rights"][2]
    finally:
        conn.execute(f"DROP ROLE {name}".encode())


@pytest.fixture(scope="module")
def own() -> Iterator[str]:
    """A server of these tests' own, whose roles and settings may be spoilt."""
    with servers.one_of_its_own() as (dsn, _):
        yield dsn


def test_a_missing_role_is_reported(own: str) -> None:
    with connect(own, purpose="test") as conn:
        assert "note" == examine(own)[1]["roles"][0], "without any of them everything works"
        for role in ("evtrack_producer", "evtrack_reader", "evtrack_watcher"):
            conn.execute(f"CREATE ROLE {role}".encode())
        code, found = examine(own)
    assert (1, "problem") == (code, found["roles"][0])
    assert found["roles"][2].startswith("evtrack migrate roles")
    texts = [each["message"] for each in json.loads(ask("doctor", "--dsn", own).stdout)["findings"]]
    assert "missing role: evtrack_worker" in texts
    assert any(text.startswith("evtrack_reader lacks rights on a") for text in texts)
    assert 0 == CliRunner().invoke(cli, ["migrate", "roles", "--dsn", own]).exit_code
    assert ("ok", "rights") == (examine(own)[1]["rights"][0], "rights")
    assert "roles" not in examine(own)[1], "nothing is to be said of roles that are as they should be"


def test_notifications_that_do_not_arrive_are_reported(dsn: str) -> None:
    with pooled(dsn) as through:
        code, found = examine(through)
    assert (1, "problem") == (code, found["notify"][0])
    assert "NOTIFY does not arrive, because of a transaction pooler" in found["notify"][1]
    assert "--dsn" in found["notify"][2]


def test_a_wrong_clock_is_reported(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "wall_clock", lambda: time.time() + 300)
    result = CliRunner().invoke(cli, ["doctor", "--dsn", dsn, "--json", "--no-canary"])
    found = worst(json.loads(result.stdout))
    assert (1, "problem") == (result.exit_code, found["clock"][0])
    assert "s ahead of the server's" in found["clock"][1]
    assert "canary" not in found


def test_a_handler_that_no_worker_offers_is_reported(dsn: str, client: Client) -> None:
    client.job(3)
    code, found = examine(dsn)
    assert (1, "problem") == (code, found["queue"][0])
    assert "no worker offers the handler annotate: 3 batches have waited" in found["queue"][1]
    assert "evtrack work --import MODULE --handler annotate" == found["queue"][2]
    client.worker()
    assert "ok" == examine(dsn, "--no-canary")[1]["queue"][0]


def test_a_silent_worker_and_an_old_transaction_are_reported(
    dsn: str, conn: Connection, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.worker()
    conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '5 minutes'")
    monkeypatch.setattr(findings, "OLD_TRANSACTION_S", 0.05)
    with connect(dsn, purpose="sleeper") as sleeper, sleeper.transaction():
        sleeper.execute("SELECT pg_current_xact_id()")
        pid = sleeper.info.backend_pid
        eventually(
            lambda: (
                conn.execute(
                    "SELECT clock_timestamp() - xact_start > interval '0.1 s' FROM pg_stat_activity WHERE pid = %s",
                    [pid],
                ).fetchone()
                == (True,)
            )
        )
        result = CliRunner().invoke(cli, ["doctor", "--dsn", dsn, "--json"])
    found = worst(json.loads(result.stdout))
    assert 1 == result.exit_code
    assert f"process {pid} (evtrack sleeper" in found["horizon"][1]
    assert f"SELECT pg_terminate_backend({pid})" == found["horizon"][2]
    assert "has sent no heartbeat for 30" in found["workers"][1]


def test_alerts_that_no_watcher_delivers_are_reported(dsn: str, conn: Connection) -> None:
    conn.execute("""SELECT evtrack.raise_alert('worker_lost', '1', '', 'error', '{"worker_id": 1}')""")
    assert "ok" == examine(dsn, "--no-canary")[1]["alerts"][0]
    conn.execute("UPDATE evtrack.alert SET created_at = created_at - interval '5 minutes'")
    code, found = examine(dsn, "--no-canary")
    assert (1, "problem") == (code, found["alerts"][0])
    assert "1 undelivered, the oldest for 30" in found["alerts"][1]
    assert "evtrack watch" in found["alerts"][2]
    assert 0 == evtrack("watch", "--once", "--dsn", dsn).returncode
    assert "ok" == examine(dsn, "--no-canary")[1]["alerts"][0]


def test_a_failed_connection_is_reported_and_the_report_fits_80_columns(dsn: str, client: Client) -> None:
    code, found = examine("host=127.0.0.1 port=1 dbname=x")
    assert (1, "problem", {"connection"}) == (code, found["connection"][0], set(found))
    client.job()
    shown = evtrack("doctor", "--dsn", dsn)
    assert 1 == shown.returncode
    assert "-> evtrack work --import MODULE --handler annotate" in shown.stdout
    assert [] == [line for line in shown.stdout.splitlines() if len(line) > 80]
