"""Finds the readable files of a folder, in order."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evtrack.sources.formats import Format, Kind, kind_of


@dataclass(frozen=True, slots=True)
class Found:
    """Name a file that was found.

    Args:
        path: Where it is.
        name: What notes and item keys call it.
        kind: How to read it; None when it cannot be read.
        size: Its size in bytes.
        mtime_ns: When it was changed last.
        fault: Why it cannot be read.
    """

    path: Path
    name: str
    kind: Kind | None
    size: int
    mtime_ns: int
    fault: str = ""


def walk(folder: Path, forced: Format | None) -> Iterator[Found]:
    """Yield all readable files below a folder: .json first, then .jsonl, .csv, archives, each sorted by name.

    Hidden files and folders, and files of other kinds, are left out.

    Args:
        folder: The folder.
        forced: The format that the user named for all files.
    """
    unreadable: list[OSError] = []
    names: list[tuple[int, str, Kind]] = []
    for place, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        base = Path(place).relative_to(folder)
        for name in files:
            kind = None if name.startswith(".") else kind_of(name, forced)
            if kind:
                names.append((kind.rank, str(base / name), kind))
    for error in unreadable:
        at = Path(error.filename)
        yield Found(at, str(at.relative_to(folder)), None, 0, 0, f"cannot be read: {error.strerror}")
    for _, name, kind in sorted(names, key=lambda found: found[:2]):
        path = folder / name
        try:
            status = path.stat()
        except OSError as error:
            yield Found(path, name, None, 0, 0, f"cannot be read: {error.strerror}")
            continue
        if path.is_file():
            yield Found(path, name, kind, status.st_size, status.st_mtime_ns)


def fingerprint(files: Sequence[Found]) -> str:
    """Return what changes when a file comes, goes, or is written to.

    Args:
        files: The files of a folder.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.size}\0{file.mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]
