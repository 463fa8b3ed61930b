"""Workers and watchers that are started while the server takes no writes or no connections wait, and say so."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

import servers
from client import Client
from command_line import environment, evtrack, evtrack_command
from evtrack.domain.database_errors import CannotConnect
from evtrack.storage.connection.connect import Connection, connect
from polling import eventually
from workers import HANDLER_DIRECTORY

pytestmark = pytest.mark.integration

Start = Callable[..., "Started"]


class Started:
    """A command that was started, and what it logs."""

    def __init__(self, folder: Path, dsn: str, *words: str) -> None:
        self._log = folder / f"{words[0]}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*evtrack_command("--log-format", "json", *words), "--dsn", dsn],
                stdout=log,
                stderr=log,
                env=environment(EVTRACK_STATE_DIR=str(folder / "state")),
                cwd=HANDLER_DIRECTORY,
            )

    def logged(self, event: str, words: str = "") -> list[str]:
        """Return the log lines of one kind that contain some words."""
        lines = [line for line in self._log.read_text("utf-8").splitlines() if line.startswith("{")]
        return [line for line in lines if json.loads(line).get("event") == event and words in line]


@pytest.fixture
def start(dsn: str, tmp_path: Path) -> Iterator[Start]:
    started: list[Started] = []

    def begin(*words: str, **params: str) -> Started:
        started.append(Started(tmp_path, make_conninfo(dsn, **params), *words))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait(10)


WORK = ("work", "--import", "misbehaving_handlers", "--handler", "scripted", "--slots", "1")


def set_read_only(queue: Client, value: str) -> None:
    name = queue.one("SELECT quote_ident(current_database())")
    queue.conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")  # type: ignore[call-overload]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_read_only_database_is_waited_for(queue: Client, start: Start, number: int) -> None:
    set_read_only(queue, "on")
    try:
        worker, stopped = start(*WORK), start("watch")
        eventually(lambda: len(worker.logged("database_error", "read-only")) >= 3, 30)
        assert worker.logged("database_error", "default_transaction_read_only is on for this user")
        eventually(lambda: stopped.logged("database_error", "read-only"), 30)
        assert not stopped.logged("database_reconnected")
        assert not stopped.logged("watcher_started")
        stopped.process.send_signal(number)
        assert stopped.process.wait(20) == (130 if number == signal.SIGINT else 0)
        if number == signal.SIGINT:
            worker.process.send_signal(number)
            assert worker.process.wait(20) == 130
            return
    finally:
        set_read_only(queue, "off")
    eventually(lambda: worker.logged("worker_registered"), 30)
    worker.process.send_signal(number)
    assert worker.process.wait(20) == 0


@pytest.fixture
def full(conn: Connection) -> Iterator[str]:
    """A role that may have no connection at all."""
    if servers.chosen() == "dsn":
        pytest.skip("makes a role, which a server of somebody else's need not allow")
    make = sql.SQL("CREATE ROLE evtrack_full LOGIN CONNECTION LIMIT 0 IN ROLE {} PASSWORD {}")
    conn.execute(make.format(sql.Identifier(conn.info.user), conn.info.password))
    yield "evtrack_full"
    conn.execute("DROP ROLE evtrack_full")


@pytest.mark.parametrize("words", [WORK, ("watch",)])
def test_a_role_with_too_many_connections_is_waited_for(
    queue: Client, start: Start, full: str, words: tuple[str, ...]
) -> None:
    one = start(*words, user=full)
    eventually(lambda: one.logged("database_error", "raise its CONNECTION LIMIT"), 30)
    queue.conn.execute("ALTER ROLE evtrack_full CONNECTION LIMIT 20")
    eventually(lambda: one.logged("worker_registered" if words is WORK else "watcher_started"), 30)
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(20) == 0


def test_while_it_waits_a_worker_reacts_to_signals(start: Start, full: str) -> None:
    one = start(*WORK, user=full)
    eventually(lambda: one.logged("database_error"), 30)
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(10) == 130


def test_what_waiting_cannot_help_ends_a_command_at_once(dsn: str) -> None:
    refused = (WORK, {"dbname": "nowhere"}), (("watch",), {"host": "no.such.host.invalid"}), (("watch",), {"port": "1"})
    for words, params in refused:
        assert evtrack(*words, "--dsn", make_conninfo(dsn, **params)).returncode == 5


def test_several_hosts_get_advice_for_each(dsn: str, full: str) -> None:
    with connect(dsn, purpose="test") as conn:
        host, port = conn.info.host, conn.info.port
    both = make_conninfo(dsn, user=full, host=f"127.0.0.1,{host}", port=f"1,{port}")
    with pytest.raises(CannotConnect) as refused:
        connect(both, purpose="test")
    assert "No server listens there" in refused.value.hint
    assert "raise its CONNECTION LIMIT" in refused.value.hint
    assert refused.value.ends_by_itself


def test_submitting_to_a_read_only_database_ends_with_advice(queue: Client, dsn: str) -> None:
    set_read_only(queue, "on")
    try:
        done = evtrack("submit", "-", "--key", "id", "--handler", "h", "--dsn", dsn, stdin='{"id": 1}\n')
    finally:
        set_read_only(queue, "off")
    assert (5, "") == (done.returncode, done.stdout)
    assert "default_transaction_read_only" in done.stderr
