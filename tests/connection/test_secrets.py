"""evtrack never prints a payload or a password, whatever fails; and its log options."""

import json
import re
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

from client import Client
from command_line import evtrack
from evtrack.interfaces.cli import cli
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.redact import without_secrets
from polling import eventually
from workers import worker_process

pytestmark = pytest.mark.integration

SECRET = "s3cr3t-w0rd"
PAYLOAD = "p4yl0ad-0f-a-document"


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:{SECRET}/{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:{SECRET}@{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:{SECRET}%zz@127.0.0.1:1/db",
        f"postgresql://127.0.0.1:1/db?password={SECRET}&nonsense={SECRET}",
        f"host=127.0.0.1 port=1 password='{SECRET}' dbname=x",
        f"host=127.0.0.1 port=1 password='{SECRET}",
        f"host=127.0.0.1 port=1 password={SECRET} {SECRET}",
    ],
)
def test_an_invalid_connection_string_is_not_shown(dsn: str) -> None:
    for words in (("status",), ("doctor", "--json")):
        done = CliRunner().invoke(cli, [*words, "--dsn", dsn])
        assert done.exit_code in {1, 5}
        assert done.output
        assert SECRET not in done.output


def test_other_text_of_a_message_is_kept() -> None:
    told = without_secrets("host x@127.0.0.1 refused user me", "postgresql://me:a@127.0.0.1/db")
    assert "host x@127.0.0.1 refused user me" == told


@pytest.fixture
def secret_dsn(dsn: str, conn: Connection) -> Iterator[str]:
    """The database as a user whose password is the secret: some servers ask for it, some do not."""
    conn.execute(f"CREATE ROLE evtrack_secretive SUPERUSER LOGIN PASSWORD '{SECRET}'".encode())
    yield make_conninfo(dsn, user="evtrack_secretive", password=SECRET)
    conn.execute("DROP OWNED BY evtrack_secretive")
    conn.execute("DROP ROLE evtrack_secretive")


def test_a_failing_worker_logs_neither_payloads_nor_its_password(secret_dsn: str, conn: Connection) -> None:
    client = Client(conn, "scripted")
    deeds = ["", "raise", "odd", "segv", "exit", "babble"]
    keys = [f"k{number}" for number in range(len(deeds))]
    items = [json.dumps({"do": do, "secret": PAYLOAD}) for do in deeds]
    policy = json.dumps({"max_errors": 1, "max_crashes": 1})
    job = client.one("SELECT evtrack.enqueue('scripted', %s, %s, policy => %s, batch_size => 1)", keys, items, policy)
    options = ("--slots", "2", "--log-level", "debug", "--log-format", "json")
    with worker_process(secret_dsn, *options) as worker:
        eventually(lambda: client.phase(job) == "finished", 60)
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'evtrack worker%'"
        )
        # The handler that wants what cannot be kept, after the connection is back.
        again = client.one("SELECT evtrack.enqueue('scripted', '{k}', %s)", [json.dumps({"return": f"{PAYLOAD}\0"})])
        eventually(lambda: client.phase(again) == "finished", 60)
        worker.terminate()
        out, err = worker.communicate(timeout=60)
    events = {json.loads(line)["event"] for line in err.splitlines() if line.startswith("{")}
    assert {"worker_registered", "slot_crashed", "heartbeat_connection_lost", "worker_stopped"} <= events
    assert SECRET not in out + err
    assert PAYLOAD not in out + err
    for line in err.splitlines():
        if line.startswith("{"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", json.loads(line)["timestamp"])
            assert "worker_id" in line or "registered" not in line


@pytest.mark.parametrize(
    "words",
    [
        ("--log-format", "json", "--log-level", "debug", "work"),
        ("work", "--log-format", "json", "--log-level", "debug"),
        ("--log-format", "console", "--log-level", "error", "work", "--log-format", "json", "--log-level", "debug"),
        ("--log-level", "debug", "work", "--log-format", "json"),
    ],
)
def test_log_options_work_before_and_after_the_command(dsn: str, words: tuple[str, ...]) -> None:
    done = evtrack(*words, "--dsn", dsn, "--exec", "x=true", "--slots", "1", "--drain")
    assert 0 == done.returncode, done.stderr
    assert "worker_stopped" in [json.loads(line)["event"] for line in done.stderr.splitlines()]


def test_the_log_level_and_the_console_format_are_configurable(dsn: str) -> None:
    words = ("work", "--dsn", dsn, "--exec", "x=true", "--slots", "1", "--drain")
    assert "" == evtrack(*words, "--log-level", "error").stderr
    shown = evtrack(*words, "--log-format", "console").stderr
    assert "worker_registered" in shown
    assert not shown.startswith("{")
    assert "\x1b" not in shown, "colours are for terminals"
    assert 2 == evtrack(*words, "--log-level", "loud").returncode
    assert "worker_stopped" not in evtrack(*words, env={"EVTRACK_LOG_LEVEL": "warning"}).stderr
