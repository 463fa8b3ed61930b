"""Chooses how to read a file by its name."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, Protocol, get_args

from evtrack.sources.csv_rows import read_csv
from evtrack.sources.json_document import read_json
from evtrack.sources.lines import read_lines, read_text_lines
from evtrack.sources.records import Records

Format = Literal["json", "jsonl", "csv", "lines"]
FORMATS: tuple[Format, ...] = get_args(Format)

_FORMAT_OF: dict[str, Format] = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_TAR_ENDINGS = (".tgz", ".tar.gz", ".tar")
READABLE = ".json, .jsonl, .csv, each also as .gz, .tgz or .tar"


class Reader(Protocol):
    """Reads records from the bytes of a part."""

    def __call__(self, blocks: Iterable[bytes], *, offset: int, line: int, max_item_bytes: int) -> Records:
        """Read records from blocks of bytes."""
        ...


@dataclass(frozen=True, slots=True)
class FileType:
    """How to read a file.

    Args:
        format: Its format; None for a tar archive.
        compressed: Whether it is compressed with gzip.
    """

    format: Format | None
    compressed: bool

    @property
    def rank(self) -> int:
        """The place of such files in the order of a directory or archive: .json first, then .jsonl, .csv, archives."""
        return FORMATS.index(self.format) if self.format else len(FORMATS)


def file_type_of(name: str, forced: Format | None = None) -> FileType | None:
    """Choose how to read a file by its name.

    Args:
        name: The file's name.
        forced: The format that the user chose for all files.

    Returns:
        Its type, or None if the name does not show it.
    """
    lower = PurePath(name).name.lower()
    if lower.endswith(_TAR_ENDINGS):
        return FileType(None, compressed=not lower.endswith(".tar"))
    compressed = lower.endswith(".gz")
    found = forced or _FORMAT_OF.get(PurePath(lower.removesuffix(".gz")).suffix)
    return FileType(found, compressed=compressed) if found else None


def reader_for(name: Format) -> Reader:
    """Return the function that reads a format.

    Args:
        name: The format.
    """
    return {"json": read_json, "jsonl": read_lines, "csv": read_csv, "lines": read_text_lines}[name]
