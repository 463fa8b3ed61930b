"""Restore: jobs of an archive come back into a database in which their numbers are free."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import ArchiveDamaged, ArchiveError
from evtrack.runtime.retention.archive_check import archives, check
from evtrack.runtime.retention.archive_files import read_lines
from evtrack.storage.connection.sql_files import latest_migration
from evtrack.storage.retention.cleanup import cleanup_lock, prepare_session
from evtrack.storage.retention.restore import known_jobs, prepare_day, restore_job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from evtrack.runtime.retention.manifest import ArchivedJob, Manifest
    from evtrack.storage.connection.connect import Connection

_NAMED: Final = 10
_JOB: Final = re.compile(rb'"job_id":(-?\d+),')


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A job that is there now.

    Args:
        day: Its day.
        job_id: The job.
        events: How many events it has.
        was_there: Whether it was there already, with the same log.
    """

    day: str
    job_id: int
    events: int
    was_there: bool


class Restore:
    """Brings jobs back, one transaction each.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        folder: An archive, or a folder of archives.
        job_ids: Only these jobs; None for all.
    """

    def __init__(self, *, conn: Connection, folder: Path, job_ids: Collection[int] | None = None) -> None:
        self._conn = conn
        self._folder = folder
        self._job_ids = None if job_ids is None else frozenset(job_ids)

    def run(self) -> Iterator[Restored]:
        """Bring back what is not there; nothing is begun while an archive is damaged or a number is taken.

        Yields:
            Each job.

        Raises:
            ArchiveDamaged: An archive is not what its manifest says.
            ArchiveError: There is no such archive or job, or a job's number belongs to another.
            CleanupRuns: A cleanup or another restore is at work.
        """
        prepare_session(self._conn)
        with cleanup_lock(self._conn):
            found = [(path, self._checked(path)) for path in archives(self._folder)]
            wanted = [(path, manifest, self._wanted(manifest)) for path, manifest in found]
            missing = (self._job_ids or frozenset()) - {job.job_id for _, _, jobs in wanted for job in jobs}
            if missing:
                raise ArchiveError(
                    f"{self._folder} has no job {', '.join(map(str, sorted(missing)))}.",
                    hint="`evtrack status JOB` names the archive of a dropped job.",
                )
            there = self._there([job for _, _, jobs in wanted for job in jobs])
            for path, manifest, jobs in wanted:
                if jobs:
                    yield from self._day(path, manifest, {job.job_id: job for job in jobs}, there)

    def _checked(self, path: Path) -> Manifest:
        manifest, differences = check(path)
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

    def _there(self, jobs: list[ArchivedJob]) -> set[int]:
        """Find the jobs that are there with this very log, and refuse numbers that belong to others."""
        known = known_jobs(self._conn, [job.job_id for job in jobs])
        taken = sorted(job.job_id for job in jobs if job.job_id in known and known[job.job_id].digest != job.digest)
        if taken:
            more = f" and {len(taken) - _NAMED} more" if len(taken) > _NAMED else ""
            listed = ", ".join(map(str, taken[:_NAMED])) + more
            raise ArchiveError(
                f"This database has or had other jobs with the numbers {listed}.",
                hint="A job keeps its number. Restore into another database, a new one for instance.",
            )
        return {job_id for job_id, one in known.items() if not one.dropped}

    def _day(self, path: Path, manifest: Manifest, jobs: dict[int, ArchivedJob], there: set[int]) -> Iterator[Restored]:
        day = date.fromisoformat(manifest.day)
        prepare_day(self._conn, day, max(jobs))
        files = {file.table: _JobLines(path / file.name) for file in manifest.files}
        for job_id, job in sorted(jobs.items()):
            events = job.events
            if job_id not in there:
                tables = {str(table): file.lines(job_id) for table, file in files.items()}
                events = restore_job(self._conn, day, job_id, digest=job.digest, tables=tables, workers=job.workers)
            yield Restored(day=manifest.day, job_id=job_id, events=events, was_there=job_id in there)


class _JobLines:
    """Reads a file's lines job by job, forwards."""

    def __init__(self, path: Path) -> None:
        self._groups = groupby(read_lines(path), key=_job_of)
        self._next = next(self._groups, None)

    def lines(self, job_id: int) -> Iterator[bytes]:
        """Read the lines of a job; none if it has none here. Jobs must be asked for in the order of their numbers."""
        while self._next is not None and self._next[0] < job_id:
            self._next = next(self._groups, None)
        return self._next[1] if self._next is not None and self._next[0] == job_id else iter(())


def _job_of(line: bytes) -> int:
    found = _JOB.search(line)
    if found is None:
        raise ArchiveError(f"A line of the archive names no job: {line[:80]!r}.", hint="Bring it back from a copy.")
    return int(found[1])
