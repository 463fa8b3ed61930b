"""Finds the readable files of a tar archive, in order."""

import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from evtrack.sources.formats import READABLE, Format, Kind, kind_of
from evtrack.sources.part import BrokenPart, FilePart, Part
from evtrack.sources.streams import FileStream, GzipStream, SliceStream, Stream, inflate

_Member = tuple[int, str, Kind, int, int]


def archive_parts(
    path: Path, *, prefix: str, packed: bool, forced: Format | None, bytes_before: int, max_item_bytes: int
) -> Iterator[Part]:
    """Yield an archive's files: all .json first, then .jsonl, then .csv, each sorted by name.

    A packed archive is unpacked once into a nameless temporary file (in TMPDIR), since its files are wanted in another
    order than they lie in it; the system takes that file away however the process ends.

    Args:
        path: The archive.
        prefix: What stands before the members' names.
        packed: Whether gzip lies on top.
        forced: The format that the user named for all files.
        bytes_before: How much of the whole source lies before the archive.
        max_item_bytes: A larger item is a fault.

    Yields:
        Its files, and a broken part for what could not be read.
    """
    with ExitStack() as stack:
        broken = None
        size = path.stat().st_size
        file: BinaryIO
        if packed:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="evtrack-"))
            try:
                for block in inflate(FileStream(path).blocks()):
                    file.write(block)
            except (EOFError, zlib.error) as error:
                broken = str(error)
            scale = size / max(file.tell(), 1)
            file.seek(0)
        else:
            file = stack.enter_context(path.open("rb"))
            scale = 1.0
        members: list[_Member] = []
        try:
            _find(file, forced, members)
        except tarfile.TarError as error:
            broken = broken or str(error)
        before = float(bytes_before)
        for _, name, kind, start, length in sorted(members, key=itemgetter(0, 1, 3)):
            stream: Stream = SliceStream(file, start=start, size=length, scale=scale)
            if kind.packed:
                stream = GzipStream(stream)
            if kind.format:
                yield FilePart(prefix + name, stream, kind.format, int(before), max_item_bytes)
            before += length * scale
        if broken or not members:
            reason = f"the archive cannot be read to its end: {broken}" if broken else f"it holds no {READABLE}"
            yield BrokenPart(prefix.removesuffix("/") or path.name, reason, bytes_before + size)


def _find(file: BinaryIO, forced: Format | None, members: list[_Member]) -> None:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for info in archive:
            # tarfile keeps all it has seen; an archive may hold millions.
            archive.members = []  # type: ignore[attr-defined]  # typeshed hides it
            kind = kind_of(info.name, forced)
            hidden = any(step.startswith(".") and step != "." for step in PurePosixPath(info.name).parts)
            if info.isreg() and not info.issparse() and not hidden and kind and kind.format:
                name = info.name.removeprefix("./")
                members.append((kind.rank, name, kind, info.offset_data, info.size))
