"""The parts of a source: files, whose records can be read from any position on."""

import tarfile
import zlib
from dataclasses import dataclass
from typing import Protocol

from evtrack.sources.byte_streams import ByteStream, PipeStream
from evtrack.sources.file_formats import Format, reader_for
from evtrack.sources.records import InvalidItem, Records

# Errors of reading: of the file system, of a damaged gzip stream, of a damaged archive.
_UNREADABLE = (OSError, EOFError, zlib.error, tarfile.TarError)


class Part(Protocol):
    """One file of a source, or a whole iterable. No batch spans two parts."""

    @property
    def name(self) -> str:
        """Its name in notes and item keys."""
        ...

    @property
    def bytes_read(self) -> int:
        """How many bytes of the source have been read, including those before this part."""
        ...

    def records(self, *, offset: int = 0, line: int = 0) -> Records:
        """Yield groups of records from a position on."""
        ...

    def fingerprint(self, offset: int) -> str | None:
        """Return a hash that shows a resumed submission whether a pipe is the same; None for all other parts."""
        ...


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file, a member of an archive, or a pipe.

    Args:
        name: Its name in notes and item keys.
        stream: Its bytes.
        format: Their format.
        bytes_before: How many bytes of the source come before it.
        max_item_bytes: A larger item is invalid.
    """

    name: str
    stream: ByteStream
    format: Format
    bytes_before: int
    max_item_bytes: int

    @property
    def bytes_read(self) -> int:
        """How many bytes of the source have been read, including those before this part."""
        return self.bytes_before + self.stream.bytes_read

    def fingerprint(self, offset: int) -> str | None:
        """Return a hash of a pipe's first bytes; None for a file, which is compared by size and time."""
        return self.stream.fingerprint(offset) if isinstance(self.stream, PipeStream) else None

    def records(self, *, offset: int = 0, line: int = 0) -> Records:
        """Yield groups of records; if the file becomes unreadable, the last record is invalid and has the reason."""
        # A CSV file is always read from its header on.
        blocks = self.stream.blocks(0 if self.format == "csv" else offset)
        last_line, end = line, offset
        try:
            reader = reader_for(self.format)
            for group in reader(blocks, offset=offset, line=line, max_item_bytes=self.max_item_bytes):
                if group:
                    last_line, end = group[-1][0] or 0, group[-1][2]
                yield group
        except _UNREADABLE as error:
            reason = getattr(error, "strerror", None) or str(error)
            message = f"cannot be read from here on: {reason}" if last_line else f"cannot be read: {reason}"
            yield [(last_line + 1 if last_line else None, InvalidItem(message), end)]


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """A file or directory that could not be opened.

    Args:
        name: Its name in notes.
        reason: Why.
        bytes_read: How many bytes of the source come before it.
    """

    name: str
    reason: str
    bytes_read: int

    def fingerprint(self, offset: int) -> str | None:  # noqa: ARG002  # the Part protocol
        """Return None."""
        return None

    def records(self, *, offset: int = 0, line: int = 0) -> Records:  # noqa: ARG002
        """Yield one invalid record."""
        yield [(None, InvalidItem(self.reason), 0)]
