"""One PostgreSQL server a session, a template database migrated once, a clone of it for each test."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import make_conninfo

import memory_group
import servers
from evtrack.interfaces.cli import cli
from evtrack.storage import migrations
from evtrack.storage.database import Connection, connect

_stack = ExitStack()
_server: dict[str, str] = {}
_names = iter(range(1_000_000))


def _start() -> dict[str, str]:
    """Start the session's server, once; what the tests of the domain alone never need."""
    if not _server:
        kind = servers.chosen()
        admin = _stack.enter_context(servers.running(kind))
        with psycopg.connect(admin, autocommit=True) as conn:
            number = conn.info.server_version
        where = {"embedded": "embedded", "container": "in a container", "dsn": "named by EVTRACK_TEST_DSN"}[kind]
        _server.update(admin=admin, says=f"PostgreSQL {number // 10000} {where} (server version {number})")
    return _server


def pytest_report_header() -> list[str]:
    above = memory_group.parent()
    real = f"real, below {above}" if isinstance(above, Path) else f"only from counters on record: {above}"
    return [f"evtrack: tests run on {_start()['says']}", f"evtrack: kills for want of memory are {real}"]


def pytest_unconfigure() -> None:
    _stack.close()
    _server.clear()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no server of the developer's own be touched by accident."""
    for name in os.environ:
        if name.startswith("PG") or name in {"EVTRACK_DSN", "EVTRACK_DATA_DIR", "DATABASE_URL"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def admin_dsn() -> str:
    """The session's server, as a role that may create databases."""
    return _start()["admin"]


@pytest.fixture
def empty_dsn(admin_dsn: str) -> Iterator[str]:
    """A database without evtrack's schema."""
    yield from _database(admin_dsn, "template0")


@pytest.fixture(scope="session")
def template(admin_dsn: str) -> Iterator[str]:
    """The name of a database that is migrated, to be cloned."""
    for dsn in _database(admin_dsn, "template0"):
        with connect(dsn, purpose="test template") as conn:
            migrations.up(conn)
            name = conn.info.dbname
        yield name


@pytest.fixture
def dsn(admin_dsn: str, template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    yield from _database(admin_dsn, template)


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


def _database(admin_dsn: str, template: str) -> Iterator[str]:
    name = f"evtrack_test_{os.getpid()}_{next(_names)}"
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield make_conninfo(admin_dsn, dbname=name)
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        # FORCE: a test that kills processes may leave their connections behind for a moment.
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
