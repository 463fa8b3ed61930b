"""Writes the archive of one day: apart, checked by reading back, and then into its place with one rename."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from evtrack.domain.errors import ArchiveDamaged, ArchiveError
from evtrack.runtime.retention.archive_check import check
from evtrack.runtime.retention.archive_files import hash_of, settle, write_lines, write_whole
from evtrack.runtime.retention.manifest import MANIFEST, ArchivedFile, ArchivedJob, Manifest, file_name
from evtrack.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from evtrack.runtime.retention.manifest import Table
    from evtrack.storage.retention.cleanup import Origin

_PARTIAL: Final = ".partial"


class DayArchive:
    """The archive of one day on its way: `add` its tables, `seal` it, `place` it; what was not placed is taken away.

    Args:
        root: The folder of archives.
        job_day: The day.
        again: What lines pass through while they are read back.

    Raises:
        ArchiveError: The folder cannot be written to.
    """

    def __init__(self, root: Path, job_day: date, *, again: Callable[[Iterable[bytes]], Iterable[bytes]]) -> None:
        self._root, self._day, self._again = root, job_day, again
        # What a killed cleanup left under these names is no archive.
        self._partial = root / f".{job_day}{_PARTIAL}"
        self._old = root / f".{job_day}.old{_PARTIAL}"
        self._files: list[ArchivedFile] = []

    def __enter__(self) -> Self:
        """Make an empty folder for it, and take away what a killed cleanup left."""
        with self._writing():
            self._root.mkdir(parents=True, exist_ok=True)
            for folder in (self._partial, self._old):
                if folder.exists():
                    shutil.rmtree(folder)
            self._partial.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        """Take away what has not got its place."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def add(self, table: Table, lines: Iterable[bytes]) -> None:
        """Write one table.

        Args:
            table: events, payloads or results.
            lines: Its rows as lines of JSON.

        Raises:
            ArchiveError: The disk is full, or another error of the file system.
        """
        path = self._partial / file_name(table)
        with self._writing():
            count = write_lines(path, lines)
            size, digest = hash_of(path)
        self._files.append(ArchivedFile(table=table, name=path.name, lines=count, bytes=size, sha256=digest))

    def seal(self, *, jobs: Sequence[ArchivedJob], origin: Origin, snapshot: str) -> Manifest:
        """Write the manifest, and read everything back.

        Args:
            jobs: The day's jobs.
            origin: The database.
            snapshot: Which transactions the archive has seen.

        Returns:
            The manifest.

        Raises:
            ArchiveDamaged: What was read back is not what was written.
            ArchiveError: The disk is full, or another error of the file system.
        """
        manifest = Manifest(
            day=str(self._day),
            made_at=datetime.now(UTC).isoformat(),
            evtrack=__version__,
            **asdict(origin),
            snapshot=snapshot,
            files=tuple(self._files),
            jobs=tuple(jobs),
        )
        with self._writing():
            write_whole(self._partial / MANIFEST, manifest.dump())
            settle(self._partial)
            read, differences = check(self._partial, through=self._again)
        if differences or read != manifest:
            raise ArchiveDamaged(str(self._partial), differences=differences or ["the manifest is not as written"])
        return manifest

    def place(self, manifest: Manifest) -> Path:
        """Give the archive its name.

        Args:
            manifest: What `seal` returned.

        Returns:
            The folder that holds the day now: this one, or an equal one that an earlier cleanup left.

        Raises:
            ArchiveDamaged: There is one already, and it is damaged.
            ArchiveError: There is one already, of other jobs.
        """
        place = self._root / manifest.day
        if place.exists():
            there, differences = check(place, through=self._again)
            if there is None or differences:
                raise ArchiveDamaged(str(place), differences=differences)
            if not _replaces(manifest, there):
                raise ArchiveError(
                    f"{place} holds an archive of other jobs or of another database.",
                    hint="Nothing was dropped. Name another folder with --archive.",
                )
            if there.digests == manifest.digests and manifest.tables <= there.tables:
                return place
        with self._writing():
            if place.exists():
                # The database holds all that it has, and by now more.
                place.rename(self._old)
            self._partial.rename(place)
            settle(self._root)
            shutil.rmtree(self._old, ignore_errors=True)
        return place

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArchiveError(
                f"Cannot write the archive of {self._day} to {self._root}: {error.strerror or error}.",
                hint="The day was not dropped. Make room, or name another folder with --archive.",
            ) from None


def _replaces(new: Manifest, old: Manifest) -> bool:
    same = (new.system_identifier, new.database) == (old.system_identifier, old.database)
    return same and old.digests.keys() <= new.digests.keys()
