"""Settings of a role, a database or a server do not change what evtrack does."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from command_line import evtrack
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.session_settings import SETTINGS
from pgbouncer import pooled

pytestmark = pytest.mark.integration

# Each is a thing that some shop sets, or another client's default.
STRANGE = {
    "search_path": "nowhere",
    "statement_timeout": "20s",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "20s",
    "idle_session_timeout": "20s",
    "transaction_timeout": "20s",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "America/St_Johns",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "row_security": "off",
    "jit": "on",
}


@pytest.fixture
def strange(dsn: str) -> Iterator[str]:
    """This test's database, with unusual settings."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    with psycopg.connect(make_conninfo(dsn, client_encoding="UTF8"), autocommit=True) as conn:
        known = {row[0].lower() for row in conn.execute("SELECT name FROM pg_settings").fetchall()}
        for setting, value in STRANGE.items():
            if setting.lower() in known:
                conn.execute(f"""ALTER DATABASE "{name}" SET {setting} = '{value}'""".encode())
    return dsn


def shown(conn: Connection, *names: str) -> dict[str, str | None]:
    """Return what settings a session has; None where the server does not know one."""
    row = conn.execute(f"SELECT {', '.join('current_setting(%s, true)' for _ in names)}".encode(), names).fetchone()
    return dict(zip(names, row or (), strict=True))


def test_a_session_has_its_own_settings(strange: str) -> None:
    with psycopg.connect(strange) as foreign:
        assert "German, DMY" == shown(foreign, "DateStyle")["DateStyle"]
    expected = {**SETTINGS, "client_encoding": "UTF8"}
    with connect(strange, purpose="test") as conn:
        if not conn.info.hostaddr:
            # A Unix socket has none of these, and shows 0.
            expected = {name: value for name, value in expected.items() if not name.startswith("tcp_")}
        found = {name: value for name, value in shown(conn, *expected).items() if value is not None}
    assert {name: expected[name] for name in found} == found
    assert len(found) >= len(expected) - 1, "only transaction_timeout is not in every version"


def test_the_connection_string_overrides_session_settings(strange: str) -> None:
    said = make_conninfo(strange, options="-c statement_timeout=7s")
    with connect(said, purpose="test") as conn:
        assert {"statement_timeout": "7s", "lock_timeout": "0"} == shown(conn, "statement_timeout", "lock_timeout")


@pytest.mark.parametrize("pooler", [False, True])
def test_every_command_works_with_unusual_settings(strange: str, tmp_path: Path, *, pooler: bool) -> None:
    source = tmp_path / "items.jsonl"
    source.write_text("".join(f'{{"id": "doc\\\\{n}", "t": "漢 \\\\n"}}\n' for n in range(40)), encoding="utf-8")
    with pooled(strange) if pooler else nullcontext(strange) as there:

        def told(*command: str) -> str:
            done = evtrack(*command, "--dsn", there)
            assert 0 == done.returncode, (command, done.stdout[-1000:], done.stderr[-2000:])
            return done.stdout

        assert "1\n" == told("submit", str(source), "--handler", "h", "--batch-size", "4")
        told("work", "--exec", "h=cat", "--slots", "2", "--drain")
        status = json.loads(told("status", "1", "--json"))
        assert ("finished", 40) == (status["phase"], status["done"])
        assert status["created_at"].endswith("Z")
        items = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
        assert items == [json.loads(line) for line in told("results", "1").splitlines()]
        assert 10 == told("events", "1", "--follow").count(" completed ")
        assert "" == told("watch", "--once")
        assert "agree" in told("verify")
        told("batches", "1")
        told("health")
        told("history", "1", "--json")
        told("cleanup", "--older-than", "7d", "--dry-run")
        told("run", str(source), "--handler", "h", "--exec", "h=cat", "--max-pending", "50", "--timeout", "50")
