"""Prints the schema as one SQL script, for those who let no program migrate their database."""

from collections.abc import Iterator
from pathlib import Path

from evtrack.storage.connection import statements
from evtrack.storage.schema.files import read_migrations, read_objects
from evtrack.storage.schema.migrations import PINNED
from evtrack.version import __version__


def script(tree: Path | None = None, *, after: int = 0) -> Iterator[str]:
    """Write what `up` does as SQL that psql or any other tool can run.

    Args:
        tree: The sql/ folder, if another than evtrack's own.
        after: The version that is there already.

    Yields:
        The pieces of the script.
    """
    tree = tree or statements.root()
    # As `up` does: the version that is there, or this one, and nothing in between.
    yield f"BEGIN;\n{PINNED};\nSET LOCAL check_function_bodies = off;\n"
    yield (tree / "bootstrap.sql").read_text(encoding="utf-8")
    for migration in read_migrations(tree):
        if migration.version > after:
            values = ", ".join(f"'{value}'" for value in (migration.name, migration.checksum, migration.least_code))
            yield (
                f"\n-- {migration.title}\n"
                f"INSERT INTO evtrack.schema_version (version, name, checksum, least_code)\n"
                f"VALUES ({migration.version}, {values});\n{migration.up}"
            )
    for each in read_objects(tree):
        yield f"\n-- {each.path}\n{each.text}"
        yield (
            "INSERT INTO evtrack.schema_object (path, checksum, code)\n"
            f"VALUES ('{each.path}', '{each.checksum}', '{__version__}')\n"
            "ON CONFLICT (path) DO UPDATE SET checksum = excluded.checksum, code = excluded.code;\n"
        )
    yield "\n" + (tree / "grants.sql").read_text(encoding="utf-8")
    yield "SELECT evtrack.make_partitions();\nCOMMIT;\n"
