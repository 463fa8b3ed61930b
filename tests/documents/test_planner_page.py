"""docs/planner.md lists every planner setting and fence of the SQL files, each with the test that fails without it."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from evtrack.storage.connection.sql_files import root

TREE = root()
PAGE = (TREE.parent / "docs" / "planner.md").read_text(encoding="utf-8")
FENCE = re.compile(
    r"SET (?:LOCAL )?(?:enable_\w+|plan_cache_mode|jit) = \w+|OFFSET 0|(?:NOT )?MATERIALIZED"
    r"|set_config\('enable_\w+', '\w+', \w+\)"
)
ROW = re.compile(
    r"^\| `(?P<file>\w+/[\w/]+\.sql)` \| `(?P<fence>[^`]+)` \| [^|]+ \| `(?P<test>[^`]+)` \| (?P<where>[^|]+) \|$",
    re.MULTILINE,
)


class Fence(NamedTuple):
    """A row of the page, or a place in a file: the `nth` of this text there."""

    file: str
    text: str
    nth: int


def numbered(places: list[tuple[str, str]]) -> list[Fence]:
    """Tell the same text in one file apart."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for place in places:
        found.append(Fence(*place, seen[place]))
        seen[place] += 1
    return found


def code(path: Path) -> str:
    """Return a file's text with comments blanked out."""
    return re.sub(r"--[^\n]*", lambda comment: " " * len(comment[0]), path.read_text(encoding="utf-8"))


def in_files() -> list[Fence]:
    """Find all settings and fences, but for migrations, which never change."""
    places = []
    for room in ("functions", "views", "queries"):
        for path in sorted((TREE / room).rglob("*.sql")):
            places += [(str(path.relative_to(TREE)), match[0]) for match in FENCE.finditer(code(path))]
    return numbered(places)


MATCHES = list(ROW.finditer(PAGE))
ROWS = numbered([(match["file"], match["fence"]) for match in MATCHES])
TESTS = dict(zip(ROWS, [(match["test"], match["where"]) for match in MATCHES], strict=True))


def test_each_setting_and_fence_has_its_row() -> None:
    assert sorted(in_files()) == sorted(ROWS)


def test_the_tests_that_are_named_exist() -> None:
    missing = []
    for node, _ in TESTS.values():
        file, _, name = node.partition("::")
        path = TREE.parent / "tests" / file
        if not path.is_file() or f"\ndef {name.partition('[')[0]}(" not in path.read_text(encoding="utf-8"):
            missing.append(node)
    assert [] == missing


@pytest.mark.mutation
@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fence", ROWS, ids=[f"{row.file}-{row.text}-{row.nth}" for row in ROWS])
def test_its_test_fails_without_it(fence: Fence, admin_dsn: str, tmp_path: Path) -> None:
    node, where = TESTS[fence]
    with psycopg.connect(admin_dsn) as conn:
        row = conn.execute("SELECT pg_jit_available(), current_setting('server_version_num')::integer").fetchone()
    assert row
    if (where == "JIT" and not row[0]) or (where.isdigit() and row[1] // 10_000 != int(where)):
        pytest.skip(f"only on {where}")
    tree = tmp_path / "sql"
    shutil.copytree(TREE, tree)
    remove(fence, tree)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-m", "", "-p", "no:randomly", f"tests/{node}"],
        cwd=TREE.parent,
        env={name: text for name, text in os.environ.items() if name != "EVTRACK_TEST_SERVER"}
        | {"EVTRACK_TEST_DSN": admin_dsn, "EVTRACK_TEST_SQL": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout


def remove(fence: Fence, tree: Path) -> None:
    """Take a setting or fence out of its file."""
    path = tree / fence.file
    text = path.read_text(encoding="utf-8")
    start = [match.start() for match in FENCE.finditer(code(path)) if match[0] == fence.text][fence.nth]
    path.write_text(text[:start] + text[start + len(fence.text) :], encoding="utf-8")
