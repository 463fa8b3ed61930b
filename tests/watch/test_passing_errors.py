"""No error of the server that passes ends a watcher, and none is met by a tight loop."""

import threading
from collections.abc import Callable
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from click.testing import CliRunner

from client import Client
from evtrack.domain.database_errors import PermissionDenied, ReadOnly, StorageError
from evtrack.domain.errors import EvtrackError
from evtrack.interfaces.cli import cli
from evtrack.runtime.watch.reconnect import run_reconnecting
from evtrack.storage.connection.connect import Connection
from polling import eventually
from watchers import WatcherProcess, running_watcher

pytestmark = pytest.mark.integration

WATCHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s"


def sessions(queue: Client) -> int:
    """Return how many sessions the watcher has: its own, for its maintenance and for its sink."""
    return int(queue.one(WATCHERS, "evtrack watcher%") + queue.one(WATCHERS, "evtrack exec sink"))


def end_sessions(queue: Client) -> None:
    """End all sessions of the watcher, so that new ones get the database's settings."""
    queue.conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def database(queue: Client) -> str:
    """Return the database's name, quoted."""
    return str(queue.one("SELECT quote_ident(current_database())"))


def failed(one: WatcherProcess, words: str) -> set[str]:
    """Return the connections that have met an error."""
    return {line["connection"] for line in one.logged("database_error") if words in line["error"]}


def test_a_read_only_database_is_waited_out(queue: Client, dsn: str, tmp_path: Any) -> None:
    with running_watcher(dsn, "--exec", f"tee -a {tmp_path / 'out'}") as one:
        eventually(lambda: one.logged("watcher_started") and sessions(queue) == 3, 30)
        queue.conn.execute(f"ALTER DATABASE {database(queue)} SET default_transaction_read_only = on")  # type: ignore[arg-type]
        end_sessions(queue)
        # The maintenance meets it at its next check; what it does in between is only logged.
        eventually(lambda: failed(one, "read-only") >= {"watcher", "exec sink"}, 30)
        queue.one("SELECT evtrack.raise_alert('batch_failed', 'one', '', 'error', '{}')")
        queue.conn.execute(f"ALTER DATABASE {database(queue)} RESET default_transaction_read_only")  # type: ignore[arg-type]
        eventually(lambda: one.alerts("batch_failed"), 30)
        eventually(lambda: (tmp_path / "out").exists() and "batch_failed" in (tmp_path / "out").read_text("utf-8"), 30)
        assert 0 == one.end()


def test_a_right_that_is_missing_at_the_start_ends_the_command(watcher_without_rights: str) -> None:
    done = CliRunner().invoke(cli, ["watch", "--dsn", watcher_without_rights])
    assert 1 == done.exit_code
    assert "permission denied for function take_alerts" in done.stderr


@pytest.fixture
def watcher_without_rights(dsn: str, conn: Connection) -> Any:
    """Return a connection string of a role that may only read."""
    name = f"reader_{conn.info.dbname}"
    # Some servers ask for a password; then it is the one of the connection string.
    conn.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{conn.info.password}'")  # type: ignore[call-overload]
    conn.execute(f'GRANT USAGE ON SCHEMA evtrack TO "{name}"')  # type: ignore[arg-type]
    conn.execute(f'GRANT SELECT ON evtrack.migration TO "{name}"')  # type: ignore[arg-type]
    yield f"{dsn} user={name}"
    conn.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [ReadOnly(), PermissionDenied(), StorageError("disk full", sqlstate="53100"), StorageError("x", sqlstate="XX000")],
)
def test_a_server_that_takes_connections_and_refuses_all_else_is_asked_less_and_less(
    dsn: str, error: EvtrackError
) -> None:
    calls: list[float] = []
    stopping = threading.Event()

    def live(_: Connection, works: Callable[[], None]) -> None:
        works()
        calls.append(monotonic())
        if len(calls) == 5:
            stopping.set()
        raise error

    run_reconnecting(dsn, live, purpose="test", stopping=stopping)
    pauses = [after - before for before, after in pairwise(calls)]
    assert 5 == len(calls)
    assert pauses[3] > 0.4, "the fourth pause is eight times the first, minus at most half"


def test_what_the_database_says_about_the_data_is_not_tried_again(dsn: str) -> None:
    def live(_: Connection, __: Callable[[], None]) -> None:
        raise StorageError("no", sqlstate="22003")

    with pytest.raises(StorageError):
        run_reconnecting(dsn, live, purpose="test", stopping=threading.Event())
