"""One PostgreSQL server a session, a template database migrated once, a clone of it for each test."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from click.testing import CliRunner, Result

import memory_cgroup
import servers
from client import Client
from evtrack.interfaces.cli import cli
from evtrack.interfaces.logs import configure_logs
from evtrack.storage.connection import sql_files
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.schema import migrations

# Workers of tests inherit it: below nohup they would survive what a test sends them.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Another tree of SQL files than the checkout's: test_planner_page.py takes a setting out and runs its test on the rest.
if "EVTRACK_TEST_SQL" in os.environ:
    sql_files._CHECKOUT = Path(os.environ["EVTRACK_TEST_SQL"])

_stack = ExitStack()
_server: dict[str, str] = {}


def _start() -> dict[str, str]:
    """Start the session's server, unless it has been started."""
    if not _server:
        kind = servers.chosen()
        admin = _stack.enter_context(servers.running(kind))
        with psycopg.connect(admin, autocommit=True) as conn:
            number = conn.info.server_version
        where = {"embedded": "embedded", "container": "in a container", "dsn": "from EVTRACK_TEST_DSN"}[kind]
        _server.update(admin=admin, label=f"PostgreSQL {number // 10000} {where} (server version {number})")
    return _server


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Name the server, which starts only if a test needs it, and how tests of out-of-memory kills run."""
    if config.option.collectonly or not any(item.get_closest_marker("server") for item in items):
        return []
    above = memory_cgroup.parent()
    real = f"real, below {above}" if isinstance(above, Path) else f"only from recorded counters: {above}"
    return [f"evtrack: tests run on {_start()['label']}", f"evtrack: out-of-memory kills are {real}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need no server, and those that use the session's server: only these depend on its version."""
    for item in items:
        if item.get_closest_marker("integration") is None:
            item.add_marker(pytest.mark.unit)
        elif "admin_dsn" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.server)


def pytest_unconfigure() -> None:
    _stack.close()
    _server.clear()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep tests away from a server of the developer's own, and from the state of workers."""
    for name in os.environ:
        if name.startswith("PG") or name in {"EVTRACK_DSN", "EVTRACK_DATA_DIR", "DATABASE_URL"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("EVTRACK_STATE_DIR", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Reset logging after each test."""
    yield
    if structlog.is_configured():
        configure_logs()
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def admin_dsn() -> str:
    """The session's server, as a role that may create databases."""
    return _start()["admin"]


@pytest.fixture
def empty_dsn(admin_dsn: str) -> Iterator[str]:
    """A database without evtrack's schema."""
    with servers.cloned(admin_dsn, "template0") as dsn:
        yield dsn


@pytest.fixture(scope="session")
def template(admin_dsn: str) -> Iterator[str]:
    """The name of a database that is migrated, to be cloned."""
    with servers.cloned(admin_dsn, "template0") as dsn:
        with connect(dsn, purpose="test template") as conn:
            migrations.up(conn)
            name = conn.info.dbname
        yield name


@pytest.fixture
def dsn(admin_dsn: str, template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    with servers.cloned(admin_dsn, template) as dsn:
        yield dsn


@pytest.fixture
def conn(dsn: str) -> Iterator[Connection]:
    """A connection to this test's database, in autocommit mode."""
    with connect(dsn, purpose="test") as connection:
        yield connection


@pytest.fixture
def run(dsn: str) -> Callable[..., Result]:
    """Run a command in this process, and return what it printed."""

    def command(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [*args, "--dsn", dsn], catch_exceptions=False)
        assert code == result.exit_code, result.output
        return result

    return command


@pytest.fixture
def run_json(run: Callable[..., Result]) -> Callable[..., Any]:
    """Run a command with --json, and return its document."""
    return lambda *args, **code: json.loads(run(*args, "--json", **code).stdout)


@pytest.fixture
def own_client(conn: Connection) -> Client:
    """A session with a database of this test's own."""
    return Client(conn)


@pytest.fixture
def queue(conn: Connection) -> Client:
    """A session with a database of this test's own, for the handler "scripted"."""
    return Client(conn, "scripted")


@pytest.fixture
def own_other(dsn: str, own_client: Client) -> Iterator[Client]:
    """A second session with this test's own database, and the same handler."""
    with connect(dsn, purpose="test") as conn:
        yield Client(conn, own_client.handler)


@pytest.fixture(scope="module")
def shared_dsn(admin_dsn: str, template: str) -> Iterator[str]:
    """A migrated database that the module's tests share; their jobs keep them apart."""
    with servers.cloned(admin_dsn, template) as dsn:
        yield dsn


@pytest.fixture
def client(shared_dsn: str) -> Iterator[Client]:
    """A session with the queue."""
    with connect(shared_dsn, purpose="test") as conn:
        yield Client(conn)


@pytest.fixture
def other(shared_dsn: str, client: Client) -> Iterator[Client]:
    """A second session, with the same handler."""
    with connect(shared_dsn, purpose="test") as conn:
        yield Client(conn, client.handler)


@pytest.fixture
def mixed_job(client: Client) -> int:
    """A job in which everything happens: 4 batches of 5 items.

    Batch 1 is completed. In batch 2 the items 7 and 9 fail and move to batch 5, which fails for good. Batch 3 crashes
    on item 12, which crashes again alone in batch 6; the others are completed in batch 7. Batch 4 fails once as a
    whole, comes back, and is running.
    """
    job, worker = client.job(4, items=5, max_errors=2, backoff_s=0), client.worker()
    one, two, three, four = client.claim(worker, job)
    client.complete(worker, [one], run_s=2.0, results=['{"a": 1}\n\n"three"\n\n5'])
    errors = [
        {"ordinal": 7, "key": "key:7", "type": "ValueError", "message": "no 7"},
        {"ordinal": 9, "key": "key:9", "type": "KeyError", "message": "no 9"},
    ]
    assert client.complete_partly(worker, two, "{[7,8),[9,10)}", results="1\n2\n3", errors=errors) == "ok"
    client.crash(worker, [three], cause="signal", signal="SIGSEGV", item_key="key:12", ordinal=12, run_s=0.5)
    client.fail(worker, [four], {"type": "ValueError", "message": "all of it"})
    back = {claim.batch_no: claim for claim in client.claim(worker, job, fresh=0)}
    assert {4, 5, 6, 7} == set(back)
    client.crash(worker, [back[6]], cause="exit_code", exit_code=7, pid=4711, peak_rss_bytes=2**20, cpu_s=0.25)
    client.complete(worker, [back[7]])
    client.fail(worker, [back[5]], {"type": "ValueError", "message": "no 7", "items": errors})
    return job
