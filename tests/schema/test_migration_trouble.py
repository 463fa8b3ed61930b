"""Concurrent and killed migrators, changed migrations, and other versions of the schema."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import schema_dump
from command_line import environment, evtrack
from evtrack.domain.database_errors import MigrationError, SchemaMissing, SchemaTooNew, SchemaTooOld
from evtrack.storage.connection import preconditions
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.preconditions import check_schema, is_older
from evtrack.storage.schema import migrations
from polling import eventually

pytestmark = pytest.mark.integration

_GATE = 4711


def test_migrators_at_once_share_the_work(empty_dsn: str, sql_tree: Path) -> None:
    slow = sql_tree / "migrations" / "0001_one" / "up.sql"
    slow.write_text(slow.read_text() + "SELECT pg_sleep(0.3);\n")

    def migrate(_: int) -> tuple[str, ...]:
        with connect(empty_dsn, purpose="migrate") as conn:
            return migrations.up(conn, sql_tree)

    with ThreadPoolExecutor(4) as pool:
        done = [title for titles in pool.map(migrate, range(4)) for title in titles]
    assert ["0001_one", "0002_two"] == sorted(done)


@pytest.mark.crash
@pytest.mark.parametrize(("way", "gate"), [("up", "0004_four"), ("down", "0001_one")])
def test_a_killed_migrator_leaves_the_previous_version(empty_dsn: str, sql_tree: Path, way: str, gate: str) -> None:
    with connect(empty_dsn, purpose="test") as conn:
        migrations.up(conn, sql_tree)
        # Version 2 is there; to come are 3 and 4, to be taken back 2 and 1. The migrator dies over the second.
        for number, name in ((3, "three"), (4, "four")):
            start = sql_tree / "migrations" / f"{number:04d}_{name}"
            start.mkdir()
            (start / "up.sql").write_text(f"-- least-code: 0.1.0\nCREATE TABLE evtrack.{name} (n integer);\n")
            (start / "down.sql").write_text(f"DROP TABLE evtrack.{name};\n")
        gated = sql_tree / "migrations" / gate / f"{way}.sql"
        free = gated.read_text()
        gated.write_text(f"{free}SELECT pg_advisory_xact_lock({_GATE});\n")
        before = schema_dump.dump(empty_dsn)
        call = f"migrations.{way}(conn, {'to=0, ' if way == 'down' else ''}tree=Path({str(sql_tree)!r}))"
        program = (
            "from pathlib import Path; from evtrack.storage.connection.connect import connect; "
            "from evtrack.storage.schema import migrations; "
            f"conn = connect({empty_dsn!r}, purpose='migrate'); {call}"
        )
        conn.execute("SELECT pg_advisory_lock(%s)", [_GATE])
        with subprocess.Popen([sys.executable, "-c", program], env=environment()) as migrator:
            eventually(lambda: _waits(conn))
            migrator.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == migrator.returncode
        conn.execute("SELECT pg_advisory_unlock(%s)", [_GATE])
        eventually(lambda: not _migrating(conn))
        gated.write_text(free)
        assert before == schema_dump.dump(empty_dsn)
        if way == "up":
            assert ("0003_three", "0004_four") == migrations.up(conn, sql_tree)
            assert migrations.status(conn, sql_tree).current
        else:
            assert ("0002_two", "0001_one") == migrations.down(conn, to=0, tree=sql_tree)


def _waits(conn: Connection) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'evtrack migrate' AND wait_event_type = 'Lock'"
    return conn.execute(f"SELECT EXISTS ({waiting} AND datname = current_database())").fetchone() == (True,)


def _migrating(conn: Connection) -> bool:
    there = "SELECT FROM pg_stat_activity WHERE application_name = 'evtrack migrate'"
    return conn.execute(f"SELECT EXISTS ({there} AND datname = current_database())").fetchone() == (True,)


def test_a_migration_changed_after_it_was_applied_is_named(empty_dsn: str, sql_tree: Path) -> None:
    with connect(empty_dsn, purpose="test") as conn:
        migrations.up(conn, sql_tree)
        changed = sql_tree / "migrations" / "0001_one" / "up.sql"
        changed.write_text(changed.read_text() + "-- one more line\n")
        for call in (migrations.status, migrations.up):
            with pytest.raises(MigrationError, match="0001_one was changed after it was applied"):
                call(conn, sql_tree)


def test_a_failed_migration_rolls_everything_back(empty_dsn: str, sql_tree: Path) -> None:
    broken = sql_tree / "migrations" / "0002_two" / "up.sql"
    broken.write_text(broken.read_text() + "SELECT 1 / 0;\n")
    with connect(empty_dsn, purpose="test") as conn:
        with pytest.raises(Exception, match="division by zero"):
            migrations.up(conn, sql_tree)
        assert migrations.status(conn, sql_tree).version == 0
        assert conn.execute("SELECT to_regnamespace('evtrack') IS NULL").fetchone() == (True,)


def test_a_database_without_the_schema_is_refused(empty_dsn: str) -> None:
    with connect(empty_dsn, purpose="test") as conn, pytest.raises(SchemaMissing) as refusal:
        check_schema(conn)
    assert "evtrack migrate up" in refusal.value.hint
    result = evtrack("jobs", "--dsn", empty_dsn)
    assert result.returncode == 4
    assert "evtrack migrate up" in result.stderr


def test_a_database_whose_encoding_is_not_utf8_is_refused(empty_dsn: str) -> None:
    latin = f"{conninfo_to_dict(empty_dsn)['dbname']}_latin"
    with connect(empty_dsn, purpose="test") as conn:
        conn.execute(f"CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        try:
            result = evtrack("migrate", "up", "--dsn", make_conninfo(empty_dsn, dbname=latin))
        finally:
            conn.execute(f"DROP DATABASE {latin}")
    assert result.returncode == 4
    assert "is encoded in LATIN1" in result.stderr


def test_the_status_of_a_database_without_the_schema_does_not_list_each_function(empty_dsn: str) -> None:
    result = evtrack("migrate", "status", "--dsn", empty_dsn)
    assert result.returncode == 4
    assert "pending: 0001_log" in result.stdout
    assert "differs" not in result.stdout


def test_an_older_schema_is_refused(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    found = migrations.status(conn).version
    monkeypatch.setattr(preconditions, "latest_migration", lambda: found + 1)
    with pytest.raises(SchemaTooOld) as refusal:
        check_schema(conn)
    assert (found, found + 1) == (refusal.value.found, refusal.value.wanted)
    assert "evtrack migrate up" in refusal.value.hint
    assert refusal.value.exit_code == 4


@pytest.mark.parametrize(("least_code", "refused"), [("99.0.0", True), ("0.0.1", False)])
def test_a_newer_schema_is_refused_only_if_it_says_so(
    conn: Connection, dsn: str, least_code: str, *, refused: bool
) -> None:
    conn.execute("INSERT INTO evtrack.schema_version VALUES (9999, 'later', 'x', %s)", [least_code])
    codes = {command: evtrack("migrate", command, "--dsn", dsn).returncode for command in ("status", "up")}
    assert codes == dict.fromkeys(("status", "up"), 4 if refused else 0)
    if not refused:
        check_schema(conn)
        return
    with pytest.raises(SchemaTooNew, match=r"evtrack 99\.0\.0 or later"):
        check_schema(conn)
    assert evtrack("jobs", "--dsn", dsn).returncode == 4


@pytest.mark.parametrize(
    ("code", "least", "older"),
    [
        ("0.2.0rc1", "0.2.0", True),
        ("0.2.0.dev3+g1ab754f", "0.2.0", True),
        ("0.2.0", "0.2", False),
        ("0.2.1rc1", "0.2.0", False),
        ("0.10.0", "0.9.1", False),
        ("1.0.0.post1", "1.0.0", False),
    ],
)
def test_any_version_of_evtrack_compares(code: str, least: str, *, older: bool) -> None:
    assert older == is_older(code, least)
