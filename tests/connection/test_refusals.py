"""What a real server refuses: a wrong password, a missing database, missing permissions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

import servers
from command_line import evtrack
from evtrack.domain.database_errors import CannotConnect, PermissionDenied, TransientError
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.error_translation import translated

pytestmark = pytest.mark.integration


@pytest.fixture
def stranger(conn: Connection, dsn: str) -> Iterator[str]:
    """A connection string of a role without rights, whose password the server asks for."""
    if servers.chosen() == "dsn":
        pytest.skip("makes a role, which a server of somebody else's need not allow")
    conn.execute("CREATE ROLE evtrack_stranger LOGIN PASSWORD 'right'")
    rules = None
    if servers.chosen() == "embedded":  # it trusts who may enter its folder; not this one
        (path,) = conn.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(path)
        before = rules.read_text()
        rules.write_text("local all evtrack_stranger scram-sha-256\n" + before)
        conn.execute("SELECT pg_reload_conf()")
    yield make_conninfo(dsn, user="evtrack_stranger", password="right")
    if rules:
        rules.write_text(before)
        conn.execute("SELECT pg_reload_conf()")
    conn.execute("DROP ROLE evtrack_stranger")


def test_a_wrong_password_is_reported(stranger: str) -> None:
    wrong = make_conninfo(stranger, password="wrong")
    with pytest.raises(CannotConnect, match="password authentication failed") as refusal:
        connect(wrong, purpose="test")
    assert "Correct user and password" in refusal.value.hint
    assert evtrack("jobs", "--dsn", wrong).returncode == 5


def test_a_missing_database_is_reported(dsn: str) -> None:
    with pytest.raises(CannotConnect, match='database "nowhere" does not exist') as refusal:
        connect(make_conninfo(dsn, dbname="nowhere"), purpose="test")
    assert "createdb nowhere" in refusal.value.hint


def test_a_missing_permission_is_reported(stranger: str) -> None:
    result = evtrack("jobs", "--dsn", stranger)
    assert result.returncode == 1
    assert "permission denied" in result.stderr


def test_a_lost_connection_is_distinguished_from_a_refusal(conn: Connection, dsn: str) -> None:
    with connect(dsn, purpose="victim") as victim:
        conn.execute("SELECT pg_terminate_backend(%s)", [victim.info.backend_pid])
        with pytest.raises(TransientError) as lost, translated():
            victim.execute("SELECT 1")
    assert lost.value.connection_lost


def test_a_deadlock_or_serialization_failure_is_transient(conn: Connection) -> None:
    with pytest.raises(TransientError) as refusal, translated():
        conn.execute("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
    assert refusal.value.sqlstate == "40001"
    assert not refusal.value.connection_lost


def test_a_missing_right_is_reported(stranger: str) -> None:
    with (
        connect(stranger, purpose="test") as conn,
        pytest.raises(PermissionDenied, match="permission denied"),
        translated(),
    ):
        conn.execute("SELECT * FROM evtrack.event")
