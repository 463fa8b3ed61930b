"""Tells from a file's name how to read it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, Protocol, get_args

from evtrack.sources.document import read_document
from evtrack.sources.lines import read_lines
from evtrack.sources.record import Records
from evtrack.sources.table import read_table
from evtrack.sources.text import read_text

Format = Literal["json", "jsonl", "csv", "lines"]
FORMATS: tuple[Format, ...] = get_args(Format)

_FORMAT_OF: dict[str, Format] = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_TAR_ENDINGS = (".tgz", ".tar.gz", ".tar")
READABLE = ".json, .jsonl, .csv, each also as .gz, .tgz or .tar"


class Reader(Protocol):
    """Turns a part's bytes into records."""

    def __call__(self, blocks: Iterable[bytes], *, offset: int, line: int, max_item_bytes: int) -> Records:
        """Read records from blocks of bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """Say how to read a file.

    Args:
        format: Its format; None for a tar archive.
        packed: Whether gzip lies on top.
    """

    format: Format | None
    packed: bool

    @property
    def rank(self) -> int:
        """Where such files stand in the order of a folder or archive: .json first, then .jsonl, .csv, archives."""
        return FORMATS.index(self.format) if self.format else len(FORMATS)


def kind_of(name: str, forced: Format | None = None) -> Kind | None:
    """Tell from its name how to read a file.

    Args:
        name: The file's name.
        forced: The format that the user named for all files.

    Returns:
        The kind, or None when the name says nothing.
    """
    lower = PurePath(name).name.lower()
    if lower.endswith(_TAR_ENDINGS):
        return Kind(None, packed=not lower.endswith(".tar"))
    packed = lower.endswith(".gz")
    found = forced or _FORMAT_OF.get(PurePath(lower.removesuffix(".gz")).suffix)
    return Kind(found, packed=packed) if found else None


def reader_for(name: Format) -> Reader:
    """Return what reads a format.

    Args:
        name: The format.
    """
    return {"json": read_document, "jsonl": read_lines, "csv": read_table, "lines": read_text}[name]
