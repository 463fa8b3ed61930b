"""Restores jobs from archives into a database in which their numbers are not taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import ArchiveDamaged, ArchiveError
from evtrack.runtime.retention.archive_check import check_archive, find_archives
from evtrack.runtime.retention.archive_files import read_lines
from evtrack.storage.connection.sql_files import latest_migration
from evtrack.storage.retention.cleanup import cleanup_lock, prepare_session
from evtrack.storage.retention.restore import has_digest, known_jobs, prepare_day, restore_job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from evtrack.runtime.retention.manifest import ArchivedJob, Manifest
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.retention.restore import KnownJob

_MAX_JOBS_LISTED: Final = 10
_JOB: Final = re.compile(rb'"job_id":(-?\d+),')


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredJob:
    """A restored job.

    Args:
        events: How many events it has.
        was_there: Whether the database had it already, with the same log.
    """

    day: str
    job_id: int
    events: int
    was_there: bool


class Restore:
    """Restores jobs, each in its own transaction.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        directory: An archive, or a directory of archives.
        job_ids: Only these jobs; None for all.
    """

    def __init__(self, *, conn: Connection, directory: Path, job_ids: Collection[int] | None = None) -> None:
        self._conn = conn
        self._directory = directory
        self._job_ids = None if job_ids is None else frozenset(job_ids)

    def run(self) -> Iterator[RestoredJob]:
        """Restore the jobs that the database does not have, after checking all archives and job numbers.

        Yields:
            Each job.

        Raises:
            ArchiveDamaged: An archive differs from its manifest.
            ArchiveError: There is no such archive or job, or the database has another job with the same number.
            CleanupRuns: A cleanup or another restore is running.
        """
        prepare_session(self._conn)
        with cleanup_lock(self._conn):
            found = [(path, self._checked(path)) for path in find_archives(self._directory)]
            wanted = [(path, manifest, self._wanted(manifest)) for path, manifest in found]
            missing = (self._job_ids or frozenset()) - {job.job_id for _, _, jobs in wanted for job in jobs}
            if missing:
                raise ArchiveError(
                    f"{self._directory} contains no job {', '.join(map(str, sorted(missing)))}.",
                    hint="`evtrack status JOB` shows the archive of a dropped job.",
                )
            present = self._present([job for _, _, jobs in wanted for job in jobs])
            for path, manifest, jobs in wanted:
                if jobs:
                    yield from self._restore_day(path, manifest, {job.job_id: job for job in jobs}, present)

    def _checked(self, path: Path) -> Manifest:
        manifest, differences = check_archive(path)
        if manifest is None or differences:
            raise ArchiveDamaged(str(path), differences=differences)
        if manifest.schema_version > latest_migration():
            raise ArchiveError(
                f"{path} was written by evtrack {manifest.evtrack}, which is newer than this one.",
                hint="Install that version, and migrate the database.",
            )
        return manifest

    def _wanted(self, manifest: Manifest) -> list[ArchivedJob]:
        return [job for job in manifest.jobs if self._job_ids is None or job.job_id in self._job_ids]

    def _present(self, jobs: list[ArchivedJob]) -> set[int]:
        """Return the jobs that the database has with the same log; reject numbers of other jobs."""
        known = known_jobs(self._conn, [job.job_id for job in jobs])
        taken = sorted(job.job_id for job in jobs if job.job_id in known and not self._is_same(known[job.job_id], job))
        if taken:
            more = f" and {len(taken) - _MAX_JOBS_LISTED} more" if len(taken) > _MAX_JOBS_LISTED else ""
            listed = ", ".join(map(str, taken[:_MAX_JOBS_LISTED])) + more
            raise ArchiveError(
                f"This database has or had other jobs with the numbers {listed}.",
                hint="Jobs keep their numbers. Restore into another database, for example a new one.",
            )
        return {job_id for job_id, job in known.items() if not job.dropped}

    def _is_same(self, known: KnownJob, job: ArchivedJob) -> bool:
        return known.digest == job.digest or (not known.dropped and has_digest(self._conn, job.job_id, job.digest))

    def _restore_day(
        self, path: Path, manifest: Manifest, jobs: dict[int, ArchivedJob], present: set[int]
    ) -> Iterator[RestoredJob]:
        day = date.fromisoformat(manifest.day)
        prepare_day(self._conn, day, max(jobs))
        files = {file.table: _JobLines(path / file.name) for file in manifest.files}
        for job_id, job in sorted(jobs.items()):
            events = job.events
            if job_id not in present:
                tables = {str(table): file.lines(job_id) for table, file in files.items()}
                events = restore_job(self._conn, day, job_id, digest=job.digest, tables=tables, workers=job.workers)
            yield RestoredJob(day=manifest.day, job_id=job_id, events=events, was_there=job_id in present)


class _JobLines:
    """Reads a file's lines job by job, in one pass."""

    def __init__(self, path: Path) -> None:
        self._groups = groupby(read_lines(path), key=_job_of)
        self._next = next(self._groups, None)

    def lines(self, job_id: int) -> Iterator[bytes]:
        """Read the lines of a job, in case it has any. Call this for jobs in the order of their numbers."""
        while self._next is not None and self._next[0] < job_id:
            self._next = next(self._groups, None)
        return self._next[1] if self._next is not None and self._next[0] == job_id else iter(())


def _job_of(line: bytes) -> int:
    found = _JOB.search(line)
    if found is None:
        raise ArchiveError(f"A line of the archive has no job: {line[:80]!r}.", hint="Restore the archive from a copy.")
    return int(found[1])
