"""Writes the schema as one SQL script, for operators who do not let programs migrate their database."""

from collections.abc import Iterator
from pathlib import Path

from evtrack.storage.connection.sql_files import root
from evtrack.storage.schema.migrations import PINNED
from evtrack.storage.schema.schema_files import read_migrations, read_objects
from evtrack.version import __version__


def migration_script(tree: Path | None = None, *, after: int = 0) -> Iterator[str]:
    """Write what `up` does as SQL for psql or any other tool.

    Args:
        tree: The sql/ directory, if not evtrack's own.
        after: The version that is already applied.

    Yields:
        The pieces of the script.
    """
    tree = tree or root()
    # One transaction, as in `up`: either the old version or this one, nothing in between.
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
