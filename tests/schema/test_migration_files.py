"""Invalid migrations are refused by name."""

from pathlib import Path

import pytest

from evtrack.domain.database_errors import MigrationError
from evtrack.storage.connection import sql_files
from evtrack.storage.schema.schema_files import read_migrations, read_objects


def test_evtracks_own_files_are_in_order() -> None:
    assert sql_files.latest_migration() == len(read_migrations(sql_files.root()))
    assert len(read_objects(sql_files.root())) > 0


def _migration(tree: Path, name: str) -> None:
    directory = tree / "migrations" / name
    directory.mkdir()
    for way in ("up", "down"):
        (directory / f"{way}.sql").write_text("-- least-code: 0.1.0\n")


@pytest.mark.parametrize("name", ["1_short", "0003_Upper", "0003_file.up.sql", "0003-dash"])
def test_a_wrong_name_is_refused(sql_tree: Path, name: str) -> None:
    _migration(sql_tree, name)
    with pytest.raises(MigrationError, match=name):
        read_migrations(sql_tree)


def test_a_gap_is_refused(sql_tree: Path) -> None:
    _migration(sql_tree, "0004_late")
    with pytest.raises(MigrationError, match=r"\[1, 2, 4\]"):
        read_migrations(sql_tree)


def test_two_migrations_with_the_same_number_are_refused(sql_tree: Path) -> None:
    _migration(sql_tree, "0002_other")
    with pytest.raises(MigrationError, match=r"\[1, 2, 2\]"):
        read_migrations(sql_tree)


def test_a_migration_without_its_down_file_is_refused(sql_tree: Path) -> None:
    (sql_tree / "migrations" / "0002_two" / "down.sql").unlink()
    with pytest.raises(MigrationError, match=r"0002_two has no down\.sql"):
        read_migrations(sql_tree)


def test_a_migration_must_declare_its_compatibility(sql_tree: Path) -> None:
    (sql_tree / "migrations" / "0002_two" / "up.sql").write_text("SELECT 1;\n")
    with pytest.raises(MigrationError, match="0002_two") as refusal:
        read_migrations(sql_tree)
    assert "least-code" in refusal.value.hint


def test_views_are_created_after_the_views_they_use(sql_tree: Path) -> None:
    assert ["views/base.sql", "views/above.sql"] == [each.path for each in read_objects(sql_tree)]
