"""Reads the files of a tar archive in a fixed order."""

import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, cast

from evtrack.domain.errors import SourceNotFound
from evtrack.sources.byte_streams import ByteStream, FileStream, GzipStream, SliceStream, gunzip
from evtrack.sources.file_formats import READABLE, FileType, Format, file_type_of
from evtrack.sources.parts import FilePart, Part, UnreadablePart

_CHECK_EVERY_BYTES: Final = 16 << 20
_LEAST_FREE_BYTES: Final = 1 << 30
_LEAST_FREE_SHARE: Final = 0.1

_Member = tuple[int, str, FileType, int, int]


def archive_parts(
    path: Path, *, prefix: str, compressed: bool, forced: Format | None, bytes_before: int, max_item_bytes: int
) -> Iterator[Part]:
    """Yield an archive's files: all .json first, then .jsonl, then .csv, each sorted by name.

    A compressed archive is unpacked once into an unnamed temporary file (in TMPDIR), because its files are not stored
    in the order in which they are read. The system deletes that file however the process ends. A tenth of the disk
    or 1 GiB stays free, whatever the archive unpacks to.

    Args:
        path: The archive.
        prefix: Comes before the members' names.
        compressed: Whether the archive is compressed with gzip.
        forced: The format that the user chose for all files.
        bytes_before: How many bytes of the source come before the archive.
        max_item_bytes: A larger item is invalid.

    Yields:
        Its files, and an unreadable part if the archive is damaged or has no files that can be read.

    Raises:
        SourceNotFound: There is no room to unpack the archive.
    """
    with ExitStack() as stack:
        broken = None
        size = path.stat().st_size
        file: BinaryIO
        if compressed:
            file = stack.enter_context(_temporary_file(path))
            broken = _unpack(path, file)
            scale = size / max(file.tell(), 1)
            file.seek(0)
        else:
            file = stack.enter_context(path.open("rb"))
            scale = 1.0
        members: list[_Member] = []
        try:
            _list_members(file, forced, members)
        except tarfile.TarError as error:
            broken = broken or str(error)
        before = float(bytes_before)
        for _, name, file_type, start, length in sorted(members, key=itemgetter(0, 1, 3)):
            stream: ByteStream = SliceStream(file, start=start, size=length, scale=scale)
            if file_type.compressed:
                stream = GzipStream(stream)
            if file_type.format:
                yield FilePart(prefix + name, stream, file_type.format, int(before), max_item_bytes)
            before += length * scale
        if broken or not members:
            reason = f"the archive cannot be read to its end: {broken}" if broken else f"it contains no {READABLE}"
            yield UnreadablePart(prefix.removesuffix("/") or path.name, reason, bytes_before + size)


def _temporary_file(archive: Path) -> BinaryIO:
    try:
        return cast("BinaryIO", tempfile.TemporaryFile(prefix="evtrack-"))
    except OSError as error:
        raise _no_room(archive, error.strerror or str(error)) from error


def _unpack(archive: Path, file: BinaryIO) -> str | None:
    """Write an archive's decompressed bytes into a file; return where it is damaged, if it is."""
    unchecked = 0
    try:
        for block in gunzip(FileStream(archive).blocks()):
            unchecked += len(block)
            if unchecked >= _CHECK_EVERY_BYTES:
                unchecked = 0
                disk = shutil.disk_usage(tempfile.gettempdir())
                if disk.free < min(_LEAST_FREE_BYTES, disk.total * _LEAST_FREE_SHARE):
                    raise _no_room(archive, f"the disk has only {disk.free >> 20} MiB left")
            _write(archive, file, block)
    except (EOFError, zlib.error) as error:
        return str(error)
    return None


def _write(archive: Path, file: BinaryIO, block: bytes) -> None:
    # Apart from errors of reading the archive.
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise _no_room(archive, error.strerror or str(error)) from error


def _no_room(archive: Path, reason: str) -> SourceNotFound:
    where = os.environ.get("TMPDIR") or "the temporary directory"
    return SourceNotFound(
        str(archive),
        reason=f"it cannot be unpacked into {where}: {reason}",
        hint="Free some space there, or set TMPDIR to a directory with more.",
    )


def _list_members(file: BinaryIO, forced: Format | None, members: list[_Member]) -> None:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for info in archive:
            # tarfile keeps every member that it has seen, and an archive may hold millions.
            archive.members = []  # type: ignore[attr-defined]  # typeshed hides it
            file_type = file_type_of(info.name, forced)
            hidden = any(name.startswith(".") and name != "." for name in PurePosixPath(info.name).parts)
            if info.isreg() and not info.issparse() and not hidden and file_type and file_type.format:
                name = info.name.removeprefix("./")
                members.append((file_type.rank, name, file_type, info.offset_data, info.size))
