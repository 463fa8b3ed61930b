"""One file of a source: what it is called, and its records from any position on."""

import tarfile
import zlib
from dataclasses import dataclass
from typing import Protocol

from evtrack.sources.formats import Format, reader_for
from evtrack.sources.record import Fault, Records
from evtrack.sources.streams import PipeStream, Stream

# What reading may end with: the file system, a damaged gzip stream, a damaged archive.
_UNREADABLE = (OSError, EOFError, zlib.error, tarfile.TarError)


class Part(Protocol):
    """One file of a source, or all of an iterable. A batch never spans two."""

    @property
    def name(self) -> str:
        """What notes and item keys call it."""
        ...

    @property
    def bytes_read(self) -> int:
        """How much of the whole source was read when this part stands where it stands."""
        ...

    def records(self, *, offset: int = 0, line: int = 0) -> Records:
        """Yield groups of records from a position on."""
        ...

    def fingerprint(self, offset: int) -> str | None:
        """Return what proves, when a submission goes on, that a part read only once is the same; else None."""
        ...


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file, a member of an archive, or a pipe.

    Args:
        name: What notes and item keys call it.
        stream: Its bytes.
        format: How to read them.
        bytes_before: How much of the whole source lies before it.
        max_item_bytes: A larger item is a fault.
    """

    name: str
    stream: Stream
    format: Format
    bytes_before: int
    max_item_bytes: int

    @property
    def bytes_read(self) -> int:
        """How much of the whole source was read."""
        return self.bytes_before + self.stream.bytes_read

    def fingerprint(self, offset: int) -> str | None:
        """Return the fingerprint of a pipe's beginning; a file has its size and time."""
        return self.stream.fingerprint(offset) if isinstance(self.stream, PipeStream) else None

    def records(self, *, offset: int = 0, line: int = 0) -> Records:
        """Yield groups of records; what makes the file unreadable is the last record's fault."""
        # The header of a CSV file is needed wherever it is entered.
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
            words = f"cannot be read from here on: {reason}" if last_line else f"cannot be read: {reason}"
            yield [(last_line + 1 if last_line else None, Fault(words), end)]


@dataclass(frozen=True, slots=True)
class BrokenPart:
    """Something that could not be opened at all.

    Args:
        name: What it is called.
        reason: Why.
        bytes_read: How much of the whole source lies before it.
    """

    name: str
    reason: str
    bytes_read: int

    def fingerprint(self, offset: int) -> str | None:  # noqa: ARG002  # the Part protocol
        """Return None."""
        return None

    def records(self, *, offset: int = 0, line: int = 0) -> Records:  # noqa: ARG002
        """Yield its one fault."""
        yield [(None, Fault(self.reason), 0)]
