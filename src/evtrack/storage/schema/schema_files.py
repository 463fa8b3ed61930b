"""Reads the schema's files in sql/: migrations by number, functions and views in an order in which they install."""

import re
from dataclasses import dataclass
from graphlib import TopologicalSorter
from hashlib import sha256
from pathlib import Path

from evtrack.domain.database_errors import MigrationError

_MIGRATION = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)")
_LEAST_CODE = re.compile(r"^-- least-code: (\d+(?:\.\d+)*)$", re.MULTILINE)
_LOSES = re.compile(r"^-- loses: (?P<what>.+), if evtrack\.(?P<table>[a-z_]+) has rows$", re.MULTILINE)
_MENTION = re.compile(r"\bevtrack\.([a-z_]+)\b(?!\()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema, up and down.

    Args:
        version: Its number; numbers start at 1 and have no gaps.
        name: What it is about.
        up: The SQL that applies it.
        down: The SQL that reverts it.
        least_code: The oldest evtrack that works with it.
        loses: What is lost when it is reverted, in words; empty for nothing.
        lost_with: The table that must have rows for that.
    """

    version: int
    name: str
    up: str
    down: str
    least_code: str
    loses: str = ""
    lost_with: str = ""

    @property
    def checksum(self) -> str:
        """The checksum of `up`, which never changes once the migration is released."""
        return _checksum(self.up)

    @property
    def title(self) -> str:
        """Number and name, as its directory is called."""
        return f"{self.version:04d}_{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaObject:
    """One function or view, which is always replaced as a whole.

    Args:
        path: Its file below sql/, such as `views/jobs/job_status.sql`.
        text: The SQL that creates or replaces it.
    """

    path: str
    text: str

    @property
    def checksum(self) -> str:
        """The checksum of the text, to compare with the installed one."""
        return _checksum(self.text)


def read_migrations(tree: Path) -> tuple[Migration, ...]:
    """Read all migrations.

    Args:
        tree: The sql/ directory.

    Returns:
        The migrations by number.

    Raises:
        MigrationError: A name is not valid, a number is missing or used twice, or a file or a header is missing.
    """
    found = [_migration(path) for path in sorted((tree / "migrations").glob("*"))]
    numbers = [migration.version for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationError(f"Migrations are numbered 0001, 0002, ... without a gap; these are {numbers}.")
    return tuple(found)


def _migration(directory: Path) -> Migration:
    title = directory.name
    match = _MIGRATION.fullmatch(title)
    if match is None:
        raise MigrationError(f"{title} is not a valid name of a migration.", hint="Name it NNNN_what_it_does.")
    step: dict[str, str] = {}
    for way in ("up", "down"):
        try:
            step[way] = _text(directory / f"{way}.sql")
        except OSError:
            raise MigrationError(
                f"{title} has no {way}.sql.", hint="A migration is a directory with an up.sql and a down.sql."
            ) from None
    least_code = _LEAST_CODE.search(step["up"])
    if least_code is None:
        raise MigrationError(
            f"{title}/up.sql does not name the oldest evtrack that works with it.",
            hint="Add a line like `-- least-code: 1.2.0`.",
        )
    loses = _LOSES.search(step["down"])
    return Migration(
        version=int(match["version"]),
        name=match["name"],
        up=step["up"],
        down=step["down"],
        least_code=least_code[1],
        loses=loses["what"] if loses else "",
        lost_with=loses["table"] if loses else "",
    )


def read_objects(tree: Path) -> tuple[SchemaObject, ...]:
    """Read all functions and views.

    Args:
        tree: The sql/ directory.

    Returns:
        Functions by name, then views, each after those that it uses.
    """
    functions = [_object(tree, path) for path in _by_name(tree / "functions")]
    views = {path.stem: _object(tree, path) for path in _by_name(tree / "views")}
    needs = {
        name: sorted(other for other in set(_MENTION.findall(_code(view.text))) if other in views and other != name)
        for name, view in views.items()
    }
    return (*functions, *(views[name] for name in TopologicalSorter(needs).static_order()))


def view_names(objects: tuple[SchemaObject, ...]) -> list[str]:
    """Return the names of the views among the objects, in order."""
    return [Path(each.path).stem for each in objects if each.path.startswith("views/")]


def _by_name(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.sql"), key=lambda path: path.stem)


def _object(tree: Path, path: Path) -> SchemaObject:
    return SchemaObject(path=path.relative_to(tree).as_posix(), text=_text(path))


def _code(text: str) -> str:
    return re.sub(r"--[^\n]*|'[^']*'", "", text)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


def _checksum(text: str) -> str:
    return sha256(text.encode()).hexdigest()
