"""Finds the sql/ tree and loads its files by name, each read once."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import LiteralString, cast

_CHECKOUT = Path(__file__).resolve().parents[4] / "sql"


@cache
def root() -> Path:
    """Return the directory that holds migrations/, functions/, views/ and queries/.

    Raises:
        FileNotFoundError: The installation contains no SQL files, so it is broken.
    """
    # A wheel carries the tree inside the package; an editable install leaves it in the checkout.
    packaged = Path(str(resources.files("evtrack"))) / "sql"
    for directory in (packaged, _CHECKOUT):
        if directory.is_dir():
            return directory
    raise FileNotFoundError(f"evtrack's SQL files are missing from both {packaged} and {_CHECKOUT}: reinstall evtrack")


@cache
def statement(name: str) -> LiteralString:
    """Load one statement, with %(name)s for its parameters and %% for a percent sign.

    Args:
        name: The file's name below sql/queries/, without .sql; the name of the function that runs it.

    Returns:
        The statement's text.

    Raises:
        KeyError: There is no such statement.
    """
    return trusted(_queries()[name].read_text(encoding="utf-8"))


@cache
def _queries() -> dict[str, Path]:
    return {path.stem: path for path in (root() / "queries").rglob("*.sql")}


def trusted(text: str) -> LiteralString:
    """Vouch for SQL that comes from evtrack's own files.

    psycopg accepts only literal strings, which keeps values out of statements. This is the one place that declares a
    text literal: it is only ever the content of a file that ships with evtrack.

    Args:
        text: A file's text.
    """
    return cast("LiteralString", text)  # type: ignore[redundant-cast]  # mypy takes LiteralString for str


@cache
def latest_migration() -> int:
    """Return the number of the newest migration in sql/, 0 if there is none."""
    return max((int(path.name[:4]) for path in (root() / "migrations").glob("[0-9]*_*")), default=0)
