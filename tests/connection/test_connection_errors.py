"""Invalid connection strings and libpq's errors: what is wrong, and what to do next."""

import socket
from collections.abc import Sequence

import psycopg
import pytest

from command_line import evtrack
from evtrack.config import settings_from
from evtrack.domain.database_errors import CannotConnect, ReadOnly
from evtrack.domain.errors import BadArgument
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.error_translation import connection_refused, translation
from evtrack.storage.connection.redact import without_password
from evtrack.storage.embedded.server_choice import configured_dsn


@pytest.fixture
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVTRACK_DSN", "DATABASE_URL", "PGHOST", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_bare")
def test_sources_of_the_dsn_have_the_documented_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured_dsn(settings_from()) is None
    monkeypatch.setenv("PGHOST", "from-libpq")
    monkeypatch.setenv("PGPASSWORD", "secret")
    from_libpq = configured_dsn(settings_from())
    assert from_libpq is not None
    assert "host=from-libpq" in from_libpq
    assert "secret" not in from_libpq
    monkeypatch.setenv("DATABASE_URL", "postgresql://platform/db")
    assert configured_dsn(settings_from()) == "postgresql://platform/db"
    monkeypatch.setenv("EVTRACK_DSN", "postgresql://own/db")
    assert configured_dsn(settings_from()) == "postgresql://own/db"
    assert configured_dsn(settings_from(dsn="postgresql://flag/db")) == "postgresql://flag/db"


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("connection failed: Connection refused", "No server listens there"),
        ('connection failed: FATAL:  password authentication failed for user "x"', "Correct user and password"),
        ('connection failed: FATAL:  database "events" does not exist', "createdb events"),
        ('connection failed: FATAL:  role "x" does not exist', "a role that exists"),
        ("fe_sendauth: no password supplied", "PGPASSWORD"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "pg_hba.conf"),
        ("connection timeout expired", "does not answer"),
        ("failed to resolve host 'nowhere': Name or service not known", "host name"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
    ],
)
def test_a_connection_error_says_what_to_do(said: str, advice: str) -> None:
    error = connection_refused(psycopg.OperationalError(said), "somewhere", "events")
    assert advice in error.hint
    assert said in error.message
    assert error.exit_code == 5


def test_a_closed_port_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets it meanwhile
        port = taken.getsockname()[1]
        result = evtrack("jobs", "--dsn", f"postgresql://u:hidden@127.0.0.1:{port}/db")
    assert result.returncode == 5
    assert f"127.0.0.1, port {port}" in result.stderr
    assert "No server listens there" in result.stderr
    assert "hidden" not in result.stderr


@pytest.mark.parametrize(
    ("standby", "parts"),
    [
        (True, ("The server is a standby: connect to the primary.",)),
        (False, ("The setting default_transaction_read_only is on", "turn it off there, or connect as another user.")),
        (None, ("Either the server is a standby", "Or default_transaction_read_only is on")),
    ],
)
def test_a_read_only_session_is_explained(*, standby: bool | None, parts: Sequence[str]) -> None:
    hint = ReadOnly("cannot execute INSERT in a read-only transaction", standby=standby).hint
    assert all(part in hint for part in parts)


def test_an_invalid_connection_string_is_reported() -> None:
    with pytest.raises(CannotConnect, match="Not a valid connection string") as refusal:
        connect("not a dsn", purpose="test")
    assert "postgresql://" in refusal.value.hint


def test_a_password_is_hidden() -> None:
    target, password = without_password("postgresql://u:p%40ss@h:5433/db")
    assert password == "p@ss"
    assert "p@ss" not in target
    assert "port=5433" in target


def test_an_invalid_setting_is_named_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadArgument, match="--log-level is 'loud': input should be 'debug'"):
        settings_from(log_level="loud")
    monkeypatch.setenv("EVTRACK_LOG_FORMAT", "xml")
    with pytest.raises(BadArgument, match="EVTRACK_LOG_FORMAT is 'xml': input should be 'auto'"):
        settings_from()


def test_a_session_whose_answers_do_not_fit_is_lost() -> None:
    # As psycopg raises it, when a pooler reports the end of the session beside the answer to a statement.
    lost = translation(psycopg.InternalError("received 2 results from command 'CLOSE \"evtrack_tail\"'"))
    assert lost.connection_lost
    assert lost.is_passing
    assert not translation(psycopg.ProgrammingError("cannot adapt type")).is_passing
