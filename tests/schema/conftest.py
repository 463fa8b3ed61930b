"""A small sql/ tree that a test may change."""

import shutil
from pathlib import Path

import pytest

from evtrack.storage.connection import sql_files


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
