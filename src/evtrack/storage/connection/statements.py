"""Finds the sql/ tree and loads its files by name, each read once."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import LiteralString, cast

_CHECKOUT = Path(__file__).resolve().parents[4] / "sql"


@cache
def root() -> Path:
    """Return the folder that holds migrations/, functions/, views/ and queries/.

    Raises:
        FileNotFoundError: If the installation carries no SQL, which means that it is broken.
    """
    # A wheel carries the tree inside the package; an editable install leaves it in the checkout.
    packaged = Path(str(resources.files("evtrack"))) / "sql"
    for folder in (packaged, _CHECKOUT):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"evtrack's SQL files are neither in {packaged} nor in {_CHECKOUT}: install evtrack again")


@cache
def statement(name: str) -> LiteralString:
    """Load one statement, with %(name)s for its parameters.

    Args:
        name: The file's name below sql/queries/, without .sql; the same as the method that runs it.

    Returns:
        The statement's text.

    Raises:
        KeyError: If there is no such statement.
    """
    return trusted(_queries()[name].read_text(encoding="utf-8"))


@cache
def _queries() -> dict[str, Path]:
    return {path.stem: path for path in (root() / "queries").rglob("*.sql")}


def trusted(text: str) -> LiteralString:
    """Vouch for SQL that comes from evtrack's own files.

    psycopg takes literal strings only, which keeps values out of statements. This is the one place that may call a
    text literal: it never holds anything but the content of a file that ships with evtrack.

    Args:
        text: A file's text.

    Returns:
        The same text.
    """
    return cast("LiteralString", text)  # type: ignore[redundant-cast]  # mypy takes LiteralString for str


@cache
def latest_migration() -> int:
    """Return the number of the newest migration that this code brings, 0 if there is none."""
    return max((int(path.name[:4]) for path in (root() / "migrations").glob("[0-9]*.up.sql")), default=0)
