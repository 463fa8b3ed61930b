"""A small sql/ tree that a test may change, and two servers between which databases move."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

import servers
from evtrack.storage.connection import sql_files
from moving import Servers


@pytest.fixture
def sql_tree(tmp_path: Path) -> Path:
    """Two migrations, and two views of which the first by name needs the second."""
    tree = tmp_path / "sql"
    for folder in ("migrations", "functions", "views"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(sql_files.root() / "bootstrap.sql", tree)
    (tree / "grants.sql").write_text("SELECT 1;\n")
    for number, name in ((1, "one"), (2, "two")):
        start = tree / "migrations" / f"{number:04d}_{name}"
        start.mkdir()
        (start / "up.sql").write_text(f"-- least-code: 0.1.0\nCREATE TABLE evtrack.{name} (n integer);\n")
        (start / "down.sql").write_text(f"DROP TABLE evtrack.{name};\n")
    (tree / "views" / "above.sql").write_text("CREATE OR REPLACE VIEW evtrack.above AS SELECT one FROM evtrack.base;\n")
    (tree / "views" / "base.sql").write_text("CREATE OR REPLACE VIEW evtrack.base AS SELECT 1 AS one, 2 AS two;\n")
    return tree


@pytest.fixture(scope="session")
def both() -> Iterator[Servers]:
    """Two servers for all tests here: starting them is what takes the time."""
    with ExitStack() as stack:
        blue, restart = stack.enter_context(servers.one_of_its_own())
        with psycopg.connect(blue, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET wal_level = logical")
            conn.execute("ALTER SYSTEM SET fsync = off")
        restart()
        green, _ = stack.enter_context(servers.one_of_its_own())
        yield Servers(blue, green)
