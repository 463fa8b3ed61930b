"""Opens what a user names on the command line: files, folders, archives, pipes."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evtrack.domain.errors import BadArgument, SourceChanged, SourceNotFound
from evtrack.sources.archive import archive_parts
from evtrack.sources.folder import Found, fingerprint, walk
from evtrack.sources.formats import READABLE, Format, Kind, kind_of
from evtrack.sources.part import BrokenPart, FilePart, Part
from evtrack.sources.record import MAX_ITEM_BYTES
from evtrack.sources.streams import FileStream, GzipStream, PipeStream, Stream

STDIN = "-"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One SOURCE: how it was named, what it is, and the files in it."""

    path: str
    prefix: str
    facts: dict[str, Any]
    files: list[Found] = field(default_factory=list)


class FileSource:
    """What a user named as SOURCE, in this order.

    Args:
        paths: Files, folders, or "-" for standard input.
        format: How to read every file, whatever it is called; None goes by the names.
        max_item_bytes: A larger item is a fault.

    Raises:
        SourceNotFound: One of them is not there, or nobody can tell how to read it.
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
            raise BadArgument("standard input, -, is named twice: it can be read once")
        self._format = format
        self._max_item_bytes = max_item_bytes
        self._head: str | None = None
        self._entries = [self._look(path, alone=len(paths) == 1) for path in paths]

    @property
    def name(self) -> str:
        """A short name for people."""
        first = self._entries[0].path
        short = "stdin" if first == STDIN else Path(first).resolve().name
        return short if len(self._entries) == 1 else f"{short} and {len(self._entries) - 1} more"

    @property
    def bytes_total(self) -> int | None:
        """The size of all files as they lie on the disk; None when a pipe is among them."""
        sizes = [entry.facts.get("bytes") for entry in self._entries]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def describe(self) -> list[dict[str, Any]]:
        """Return what a job stores to find its source again, and to see whether it has changed."""
        return [entry.facts for entry in self._entries]

    def parts(self, *, head: str | None = None) -> Iterator[Part]:
        """Yield the files, one after the other.

        Args:
            head: When a submission goes on, the fingerprint of the pipe's beginning.
        """
        before = 0
        for entry in self._entries:
            if not entry.files:
                yield self._pipe(entry, before, head)
            for found in entry.files:
                yield from self._file(entry, found, before)
                before += found.size

    def _look(self, path: str, *, alone: bool) -> _Entry:
        if path == STDIN:
            return _Entry(path, "stdin", {"path": STDIN, **_size_of(os.fstat(sys.stdin.fileno()))})
        place = Path(path)
        if any("\ud800" <= sign <= "\udfff" for sign in path):
            raise SourceNotFound(ascii(path), reason="its name is not UTF-8", hint="Rename it.")
        try:
            status = place.stat()
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise SourceNotFound(path, reason=reason) from None
        facts: dict[str, Any] = {"path": str(place.resolve())}
        if stat.S_ISDIR(status.st_mode):
            files = list(walk(place, self._format))
            if not files:
                raise SourceNotFound(path, reason=f"this folder holds no {READABLE}")
            facts |= {"files": len(files), "bytes": sum(file.size for file in files), "digest": fingerprint(files)}
            return _Entry(path, "" if alone else f"{path.rstrip('/')}/", facts, files)
        if not stat.S_ISREG(status.st_mode):
            return _Entry(path, path, {"path": path, "pipe": True})
        kind = kind_of(path, self._format)
        if kind is None:
            raise SourceNotFound(
                path,
                reason="its name does not say how to read it",
                hint="Say so with --format json, jsonl, csv or lines.",
            )
        facts |= {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
        found = Found(place, place.name if alone else path, kind, status.st_size, status.st_mtime_ns)
        return _Entry(path, "", facts, [found])

    def _pipe(self, entry: _Entry, before: int, head: str | None) -> Part:
        descriptor = sys.stdin.fileno() if entry.path == STDIN else os.open(entry.path, os.O_RDONLY)
        pipe = PipeStream(descriptor, name=entry.path, head=head)
        return FilePart(entry.prefix, pipe, self._format or "jsonl", before, self._max_item_bytes)

    def _file(self, entry: _Entry, found: Found, before: int) -> Iterator[Part]:
        name = entry.prefix + found.name
        kind: Kind | None = found.kind
        if kind is None:
            yield BrokenPart(name, found.fault, before)
        elif kind.format is None:
            yield from archive_parts(
                found.path,
                # The members of an archive that is the only source go by their own names.
                prefix="" if "files" not in entry.facts and len(self._entries) == 1 else f"{name}/",
                packed=kind.packed,
                forced=self._format,
                bytes_before=before,
                max_item_bytes=self._max_item_bytes,
            )
        else:
            stream: Stream = FileStream(found.path)
            stream = GzipStream(stream) if kind.packed else stream
            yield FilePart(name, stream, kind.format, before, self._max_item_bytes)


def reopened(
    described: Sequence[dict[str, Any]],
    *,
    format: Format | None,  # noqa: A002  # the option's own name
    max_item_bytes: int,
) -> FileSource:
    """Open the source of a job again.

    Args:
        described: What `FileSource.describe` returned.
        format: How to read every file.
        max_item_bytes: A larger item is a fault.

    Returns:
        The source.

    Raises:
        SourceChanged: It is not what it was.
        SourceNotFound: It is gone.
    """
    source = FileSource([was["path"] for was in described], format=format, max_item_bytes=max_item_bytes)
    for was, now in zip(described, source.describe(), strict=True):
        differs = [key for key in was if key != "path" and was[key] != now.get(key)]
        # What standard input says is looked at when it is read.
        if differs and was["path"] != STDIN:
            key = differs[0]
            raise SourceChanged(was["path"], reason=f"it has changed since ({key} was {was[key]}, is {now.get(key)})")
    return source


def _size_of(status: os.stat_result) -> dict[str, Any]:
    return {"bytes": status.st_size} if stat.S_ISREG(status.st_mode) else {}
