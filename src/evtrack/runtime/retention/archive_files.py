"""Compressed files of an archive: written to the disk itself, and read back with all that can be told of them."""

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
    """Write lines into a new gzip file, and make sure that the disk has them.

    Args:
        path: The file.
        lines: The lines, each with its newline.

    Returns:
        How many.
    """
    count, block, size = 0, list[bytes](), 0
    with path.open("xb") as raw:
        # No name and no time inside: the same lines make the same file.
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
            # So that reading back asks the disk, and not the memory that was just written from.
            os.posix_fadvise(raw.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return count


def read_lines(path: Path) -> Iterator[bytes]:
    """Read a gzip file's lines, memory flat.

    Args:
        path: The file.

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


def hash_of(path: Path) -> tuple[int, str]:
    """Return a file's size and the SHA-256 of its bytes, in hexadecimal digits.

    Args:
        path: The file.
    """
    hashed, size = sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hashed.update(block)
            size += len(block)
    return size, hashed.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a new small file, and make sure that the disk has it.

    Args:
        path: The file.
        content: What it shall hold.
    """
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def settle(folder: Path) -> None:
    """Make sure that the disk has the names in a folder.

    Args:
        folder: The folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some file systems know no fsync of a folder, and need none.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
