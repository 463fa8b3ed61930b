"""Writes the files of an archive durably, and reads them back."""

from __future__ import annotations

import gzip
import os
import zlib
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BLOCK: Final = 1 << 20
_LEVEL: Final = 6


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Write lines to a new gzip file and flush it to disk.

    Args:
        lines: The lines, each with its newline.

    Returns:
        How many lines.
    """
    count, block, size = 0, list[bytes](), 0
    with path.open("xb") as raw:
        # Without a name and a time in the header, equal lines make equal files.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=_LEVEL, mtime=0) as packed:
            for line in lines:
                count += 1
                block.append(line)
                size += len(line)
                if size >= _BLOCK:
                    packed.write(b"".join(block))
                    block, size = [], 0
            packed.write(b"".join(block))
        raw.flush()
        os.fsync(raw.fileno())
        if hasattr(os, "posix_fadvise"):
            # Drop the pages from the cache, so that reading back verifies what is on disk.
            os.posix_fadvise(raw.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return count


def read_lines(path: Path) -> Iterator[bytes]:
    """Read a gzip file's lines in constant memory.

    Yields:
        The lines, each with its newline.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        with gzip.open(path, "rb") as packed:
            yield from packed
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(str(error)) from None


def hash_file(path: Path) -> tuple[int, str]:
    """Return a file's size and the SHA-256 of its bytes, in hexadecimal digits."""
    hashed, size = sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hashed.update(block)
            size += len(block)
    return size, hashed.hexdigest()


def write_file(path: Path, content: bytes) -> None:
    """Write a new small file and flush it to disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Flush a directory to disk, so that new names in it survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Some file systems do not support fsync of a directory, and do not need it.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
