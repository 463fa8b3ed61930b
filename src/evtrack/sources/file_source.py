"""Opens the sources that a user names on the command line: files, directories, archives and pipes."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evtrack.domain.errors import BadArgument, SourceChanged, SourceNotFound
from evtrack.sources.archive import archive_parts
from evtrack.sources.byte_streams import ByteStream, FileStream, GzipStream, PipeStream
from evtrack.sources.directory import FoundFile, find_files, fingerprint
from evtrack.sources.file_formats import READABLE, Format, file_type_of
from evtrack.sources.parts import FilePart, Part, UnreadablePart
from evtrack.sources.records import MAX_ITEM_BYTES

STDIN = "-"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One SOURCE argument: its name, what it is, and the files in it."""

    path: str
    prefix: str
    facts: dict[str, Any]
    files: list[FoundFile] = field(default_factory=list)


class FileSource:
    """The SOURCE arguments of a submission, in their order.

    Args:
        paths: Files, directories, or "-" for standard input.
        format: The format of every file, whatever its name; None chooses by file name.
        max_item_bytes: A larger item is invalid.

    Raises:
        SourceNotFound: One of them does not exist, or its format is unknown.
        BadArgument: Standard input is named twice.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        format: Format | None = None,  # noqa: A002  # the option's own name
        max_item_bytes: int = MAX_ITEM_BYTES,
    ) -> None:
        if list(paths).count(STDIN) > 1:
            raise BadArgument("standard input (-) is named twice, but can be read only once")
        self._format = format
        self._max_item_bytes = max_item_bytes
        self._head: str | None = None
        self._entries = [self._inspect(path, alone=len(paths) == 1) for path in paths]

    @property
    def name(self) -> str:
        """A short name to display."""
        first = self._entries[0].path
        short = "stdin" if first == STDIN else Path(first).resolve().name
        return short if len(self._entries) == 1 else f"{short} and {len(self._entries) - 1} more"

    @property
    def bytes_total(self) -> int | None:
        """The size of all files on disk; None if one of them is a pipe."""
        sizes = [entry.facts.get("bytes") for entry in self._entries]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def describe(self) -> list[dict[str, Any]]:
        """Return what a job stores to find its source again and to detect changes."""
        return [entry.facts for entry in self._entries]

    def parts(self, *, head: str | None = None) -> Iterator[Part]:
        """Yield the files in order.

        Args:
            head: For a resumed submission, the fingerprint of the pipe's first bytes.
        """
        before = 0
        for entry in self._entries:
            if not entry.files:
                yield self._pipe(entry, before, head)
            for found in entry.files:
                yield from self._file(entry, found, before)
                before += found.size

    def _inspect(self, path: str, *, alone: bool) -> _Entry:
        if path == STDIN:
            return _Entry(path, "stdin", {"path": STDIN, **_size_of(os.fstat(sys.stdin.fileno()))})
        place = Path(path)
        if any("\ud800" <= character <= "\udfff" for character in path):
            raise SourceNotFound(ascii(path), reason="its name is not valid UTF-8", hint="Rename it.")
        try:
            status = place.stat()
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise SourceNotFound(path, reason=reason) from None
        facts: dict[str, Any] = {"path": str(place.resolve())}
        if stat.S_ISDIR(status.st_mode):
            files = list(find_files(place, self._format))
            if not files:
                raise SourceNotFound(path, reason=f"this directory contains no {READABLE}")
            facts |= {"files": len(files), "bytes": sum(file.size for file in files), "digest": fingerprint(files)}
            return _Entry(path, "" if alone else f"{path.rstrip('/')}/", facts, files)
        if not stat.S_ISREG(status.st_mode):
            return _Entry(path, path, {"path": path, "pipe": True})
        file_type = file_type_of(path, self._format)
        if file_type is None:
            raise SourceNotFound(
                path,
                reason="its name does not reveal its format",
                hint="Name the format: --format json, jsonl, csv or lines.",
            )
        facts |= {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
        found = FoundFile(place, place.name if alone else path, file_type, status.st_size, status.st_mtime_ns)
        return _Entry(path, "", facts, [found])

    def _pipe(self, entry: _Entry, before: int, head: str | None) -> Part:
        descriptor = sys.stdin.fileno() if entry.path == STDIN else os.open(entry.path, os.O_RDONLY)
        pipe = PipeStream(descriptor, name=entry.path, head=head)
        return FilePart(entry.prefix, pipe, self._format or "jsonl", before, self._max_item_bytes)

    def _file(self, entry: _Entry, found: FoundFile, before: int) -> Iterator[Part]:
        name = entry.prefix + found.name
        if found.type is None:
            yield UnreadablePart(name, found.error, before)
        elif found.type.format is None:
            yield from archive_parts(
                found.path,
                # If an archive is the only source, its members keep their own names.
                prefix="" if "files" not in entry.facts and len(self._entries) == 1 else f"{name}/",
                compressed=found.type.compressed,
                forced=self._format,
                bytes_before=before,
                max_item_bytes=self._max_item_bytes,
            )
        else:
            stream: ByteStream = FileStream(found.path)
            stream = GzipStream(stream) if found.type.compressed else stream
            yield FilePart(name, stream, found.type.format, before, self._max_item_bytes)


def reopen(
    described: Sequence[dict[str, Any]],
    *,
    format: Format | None,  # noqa: A002  # the option's own name
    max_item_bytes: int,
) -> FileSource:
    """Open the source of a job again.

    Args:
        described: What `FileSource.describe` returned.
        format: The format of every file; None chooses by file name.
        max_item_bytes: A larger item is invalid.

    Returns:
        The source.

    Raises:
        SourceChanged: It has changed since.
        SourceNotFound: It no longer exists.
    """
    source = FileSource([was["path"] for was in described], format=format, max_item_bytes=max_item_bytes)
    for was, now in zip(described, source.describe(), strict=True):
        differs = [key for key in was if key != "path" and was[key] != now.get(key)]
        # Standard input is compared when it is read.
        if differs and was["path"] != STDIN:
            key = differs[0]
            raise SourceChanged(was["path"], reason=f"it has changed since ({key} was {was[key]}, is {now.get(key)})")
    return source


def _size_of(status: os.stat_result) -> dict[str, Any]:
    return {"bytes": status.st_size} if stat.S_ISREG(status.st_mode) else {}
