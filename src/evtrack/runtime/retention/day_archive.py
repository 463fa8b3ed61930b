"""Writes the archive of one day under a temporary name, verifies it by reading it back, and renames it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from evtrack.domain.errors import ArchiveDamaged, ArchiveError
from evtrack.runtime.retention.archive_check import check_archive
from evtrack.runtime.retention.archive_files import hash_file, sync_directory, write_file, write_lines
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
    """The archive of one day: `add` its tables, `seal` it, `publish` it. An unpublished archive is deleted on exit.

    Args:
        root: The directory of archives.
        pace: Wraps the iteration over lines that are read back, to add pauses or to report progress.

    Raises:
        ArchiveError: The directory cannot be written to.
    """

    def __init__(self, root: Path, job_day: date, *, pace: Callable[[Iterable[bytes]], Iterable[bytes]]) -> None:
        self._root, self._day, self._pace = root, job_day, pace
        # Names with a dot are not archives, in case a cleanup is killed.
        self._partial = root / f".{job_day}{_PARTIAL}"
        self._old = root / f".{job_day}.old{_PARTIAL}"
        self._files: list[ArchivedFile] = []

    def __enter__(self) -> Self:
        """Create an empty directory for it, and delete what a killed cleanup left."""
        with self._writing():
            self._root.mkdir(parents=True, exist_ok=True)
            for directory in (self._partial, self._old):
                if directory.exists():
                    shutil.rmtree(directory)
            self._partial.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the archive unless it was published."""
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
            size, digest = hash_file(path)
        self._files.append(ArchivedFile(table=table, name=path.name, lines=count, bytes=size, sha256=digest))

    def seal(self, *, jobs: Sequence[ArchivedJob], origin: Origin, snapshot: str) -> Manifest:
        """Write the manifest, and read everything back.

        Args:
            jobs: The day's jobs.
            origin: The database.
            snapshot: The transactions that the archive contains.

        Returns:
            The manifest.

        Raises:
            ArchiveDamaged: What was read back differs from what was written.
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
            write_file(self._partial / MANIFEST, manifest.dump())
            sync_directory(self._partial)
            read, differences = check_archive(self._partial, pace=self._pace)
        if differences or read != manifest:
            raise ArchiveDamaged(str(self._partial), differences=differences or ["the manifest differs"])
        return manifest

    def publish(self, manifest: Manifest) -> Path:
        """Give the archive its final name.

        Args:
            manifest: The manifest that `seal` returned.

        Returns:
            The directory with the archive: this one, or an equal one of an earlier cleanup.

        Raises:
            ArchiveDamaged: There is an earlier archive, and it is damaged.
            ArchiveError: There is an earlier archive of other jobs.
        """
        final = self._root / manifest.day
        if final.exists():
            existing, differences = check_archive(final, pace=self._pace)
            if existing is None or differences:
                raise ArchiveDamaged(str(final), differences=differences)
            if not _replaces(manifest, existing):
                raise ArchiveError(
                    f"{final} is an archive of other jobs or of another database.",
                    hint="Nothing was dropped. Name another directory with --archive.",
                )
            if existing.digests == manifest.digests and manifest.tables <= existing.tables:
                return final
        with self._writing():
            if final.exists():
                # The new archive contains everything in the old one, and more.
                final.rename(self._old)
            self._partial.rename(final)
            sync_directory(self._root)
            shutil.rmtree(self._old, ignore_errors=True)
        return final

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArchiveError(
                f"Cannot write the archive of {self._day} to {self._root}: {error.strerror or error}.",
                hint="The day was not dropped. Free some space, or name another directory with --archive.",
            ) from None


def _replaces(new: Manifest, old: Manifest) -> bool:
    same = (new.system_identifier, new.database) == (old.system_identifier, old.database)
    return same and old.digests.keys() <= new.digests.keys()
