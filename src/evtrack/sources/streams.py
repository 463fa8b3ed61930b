"""Opens what bytes come from: a file, a part of a file, a pipe, and gzip on top of any of them."""

import hashlib
import os
import select
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from evtrack.domain.errors import SourceChanged
from evtrack.sources.record import BLOCK_BYTES

# How long a pipe may be silent before its reader gets an empty block, to see to what it has.
_PAUSE_S = 0.2
_HEAD_BYTES = 64 * 1024
_GZIP = 31  # zlib: a gzip header is expected


class Stream(Protocol):
    """Bytes that can be read from an offset on."""

    @property
    def bytes_read(self) -> int:
        """How much of what lies on the disk was read, for progress."""
        ...

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `offset` on; an empty block means that nothing has come yet."""
        ...


class FileStream:
    """A regular file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.bytes_read = 0

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Read from an offset on."""
        with self._path.open("rb", buffering=0) as file:
            file.seek(offset)
            self.bytes_read = offset
            while block := file.read(BLOCK_BYTES):
                self.bytes_read += len(block)
                yield block


class SliceStream:
    """A part of an open file: the member of an archive.

    Args:
        file: The open archive.
        start: Where the member begins.
        size: How long it is.
        scale: What a byte of it counts in progress: compressed size over size.
    """

    def __init__(self, file: BinaryIO, *, start: int, size: int, scale: float = 1.0) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._scale = scale
        self.bytes_read = 0

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Read from an offset on."""
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
    """What a gzip stream unpacks to.

    Args:
        inner: The compressed bytes.
    """

    def __init__(self, inner: Stream) -> None:
        self._inner = inner

    @property
    def bytes_read(self) -> int:
        """How many compressed bytes were read."""
        return self._inner.bytes_read

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Unpack, and leave out the first `offset` bytes: gzip cannot be entered in the middle."""
        skip = offset
        for block in inflate(self._inner.blocks()):
            passed = min(skip, len(block))
            skip -= passed
            yield block[passed:]


def inflate(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip, of one member or several.

    Args:
        blocks: The compressed bytes.

    Yields:
        Blocks of bounded size, however well they were packed.

    Raises:
        EOFError: The stream ends inside a member.
        zlib.error: The stream is damaged.
    """
    member = zlib.decompressobj(_GZIP)
    begun = False
    for packed in blocks:
        rest = packed
        if not rest:
            yield b""
        while rest:
            if not begun:
                rest = rest.lstrip(b"\0")  # tape blocks are padded so
                if not rest:
                    break
                begun = True
            if block := member.decompress(rest, BLOCK_BYTES):
                yield block
            rest = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = zlib.decompressobj(_GZIP)
                begun = False
    if begun:
        raise EOFError("the compressed data ends too early")


class PipeStream:
    """Standard input or a named pipe: read once, perhaps slowly.

    Args:
        descriptor: The open file descriptor.
        name: What to call it in messages.
        head: When a submission goes on, the fingerprint of the beginning that it had then.
    """

    def __init__(self, descriptor: int, *, name: str, head: str | None = None) -> None:
        self._descriptor = descriptor
        self._name = name
        self._expected = head
        self._head = b""
        self.bytes_read = 0

    def fingerprint(self, offset: int) -> str:
        """Return a fingerprint of what came before `offset`, of its first 64 kB at most."""
        return hashlib.sha256(self._head[:offset]).hexdigest()[:32]

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Read from an offset on; what lies before is read and compared."""
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
            raise SourceChanged(self._name, reason="it does not begin as it did when the job was submitted")

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
