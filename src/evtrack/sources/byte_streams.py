"""Reads bytes from a file, a slice of a file, or a pipe, and decompresses gzip on top of any of them."""

import hashlib
import os
import select
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from evtrack.domain.errors import SourceChanged
from evtrack.sources.records import BLOCK_BYTES

# How long a pipe may be silent before its reader gets an empty block, so that it can submit what it has read.
_PAUSE_S = 0.2
_HEAD_BYTES = 64 * 1024
_GZIP = 31  # zlib: a gzip header is expected


class ByteStream(Protocol):
    """Bytes that can be read from any offset on."""

    @property
    def bytes_read(self) -> int:
        """How many bytes on disk have been read, for the progress display."""
        ...

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `offset` on; an empty block means that nothing has arrived yet."""
        ...


class FileStream:
    """A regular file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.bytes_read = 0

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `offset` on."""
        with self._path.open("rb", buffering=0) as file:
            file.seek(offset)
            self.bytes_read = offset
            while block := file.read(BLOCK_BYTES):
                self.bytes_read += len(block)
                yield block


class SliceStream:
    """A slice of an open file: a member of an archive.

    Args:
        file: The open archive.
        start: Offset of the member.
        size: Length of the member.
        scale: How much progress a byte of it is: compressed size divided by size.
    """

    def __init__(self, file: BinaryIO, *, start: int, size: int, scale: float = 1.0) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._scale = scale
        self.bytes_read = 0

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `offset` on."""
        at = offset
        while at < self._size:
            self._file.seek(self._start + at)
            block = self._file.read(min(BLOCK_BYTES, self._size - at))
            if not block:
                raise EOFError("the archive ends inside this member")
            at += len(block)
            self.bytes_read = int(at * self._scale)
            yield block


class GzipStream:
    """The decompressed bytes of a gzip stream.

    Args:
        inner: The compressed bytes.
    """

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner

    @property
    def bytes_read(self) -> int:
        """How many compressed bytes have been read."""
        return self._inner.bytes_read

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Decompress from the start, since gzip has no random access, and skip the first `offset` bytes."""
        skip = offset
        for block in gunzip(self._inner.blocks()):
            passed = min(skip, len(block))
            skip -= passed
            yield block[passed:]


def gunzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip that consists of one member or several.

    Args:
        blocks: The compressed bytes.

    Yields:
        Blocks of bounded size, whatever the compression ratio.

    Raises:
        EOFError: The stream ends inside a member.
        zlib.error: The stream is damaged.
    """
    member = zlib.decompressobj(_GZIP)
    started = False
    for compressed in blocks:
        rest = compressed
        if not rest:
            yield b""
        while rest:
            if not started:
                rest = rest.lstrip(b"\0")  # padding between or after members, as on tapes
                if not rest:
                    break
                started = True
            if block := member.decompress(rest, BLOCK_BYTES):
                yield block
            rest = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = zlib.decompressobj(_GZIP)
                started = False
    if started:
        raise EOFError("the compressed data ends too early")


class PipeStream:
    """Standard input or a named pipe, which can be read only once and may be slow.

    Args:
        descriptor: The open file descriptor.
        name: Its name in messages.
        head: For a resumed submission, the fingerprint of its first bytes at the time.
    """

    def __init__(self, descriptor: int, *, name: str, head: str | None = None) -> None:
        self._descriptor = descriptor
        self._name = name
        self._expected = head
        self._head = b""
        self.bytes_read = 0

    def fingerprint(self, offset: int) -> str:
        """Return a hash of the bytes before `offset`, of the first 64 kB at most."""
        return hashlib.sha256(self._head[:offset]).hexdigest()[:32]

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `offset` on, after reading and comparing those before it."""
        skip = offset
        for block in self._read():
            if len(self._head) < _HEAD_BYTES:
                self._head += block[: _HEAD_BYTES - len(self._head)]
            passed = min(skip, len(block))
            skip -= passed
            if passed and not skip:
                self._compare(offset)
            yield block[passed:]
        if skip:
            raise SourceChanged(self._name, reason=f"it ends at byte {offset - skip}, before byte {offset}")

    def _compare(self, offset: int) -> None:
        if self._expected and self.fingerprint(offset) != self._expected:
            raise SourceChanged(self._name, reason="its first bytes differ from those when the job was submitted")

    def _read(self) -> Iterator[bytes]:
        while True:
            ready, _, _ = select.select([self._descriptor], [], [], _PAUSE_S)
            if not ready:
                yield b""
                continue
            block = os.read(self._descriptor, BLOCK_BYTES)
            if not block:
                return
            self.bytes_read += len(block)
            yield block
