"""Finds the readable files of a directory, in a fixed order."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evtrack.sources.file_formats import FileType, Format, file_type_of


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file in a directory.

    Args:
        name: Its name in notes and item keys.
        type: How to read it; None if it cannot be read.
        size: Its size in bytes.
        mtime_ns: When it was last modified.
        error: Why it cannot be read.
    """

    path: Path
    name: str
    type: FileType | None
    size: int
    mtime_ns: int
    error: str = ""


def find_files(directory: Path, forced: Format | None) -> Iterator[FoundFile]:
    """Yield all readable files below a directory: .json first, then .jsonl, .csv and archives, each sorted by name.

    Skip hidden files and directories, and files of other types.

    Args:
        forced: The format that the user chose for all files.
    """
    unreadable: list[OSError] = []
    names: list[tuple[int, str, FileType]] = []
    for parent, directories, files in os.walk(directory, onerror=unreadable.append):
        directories[:] = [name for name in directories if not name.startswith(".")]
        base = Path(parent).relative_to(directory)
        for name in files:
            file_type = None if name.startswith(".") else file_type_of(name, forced)
            if file_type:
                names.append((file_type.rank, str(base / name), file_type))
    for error in unreadable:
        path = Path(error.filename)
        yield FoundFile(path, str(path.relative_to(directory)), None, 0, 0, f"cannot be read: {error.strerror}")
    for _, name, file_type in sorted(names, key=lambda found: found[:2]):
        path = directory / name
        try:
            status = path.stat()
        except OSError as error:
            yield FoundFile(path, name, None, 0, 0, f"cannot be read: {error.strerror}")
            continue
        if path.is_file():
            yield FoundFile(path, name, file_type, status.st_size, status.st_mtime_ns)


def fingerprint(files: Sequence[FoundFile]) -> str:
    """Return a hash that changes when a file is added, removed or modified.

    Args:
        files: The files of a directory.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.size}\0{file.mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]
