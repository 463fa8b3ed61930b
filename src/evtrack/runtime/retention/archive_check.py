"""Reads an archive back and compares it with its manifest."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import ArchiveError
from evtrack.runtime.retention.archive_files import hash_file, read_lines
from evtrack.runtime.retention.day_digests import DayDigests
from evtrack.runtime.retention.manifest import MANIFEST, TABLES, Manifest, file_name, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from evtrack.runtime.retention.manifest import ArchivedFile

_MAX_JOBS_LISTED: Final = 20
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def find_archives(directory: Path) -> list[Path]:
    """Find the archives in a directory.

    Args:
        directory: One archive, or a directory of archives.

    Returns:
        The archives by name, including those without a manifest, but not the partial ones of killed cleanups.

    Raises:
        ArchiveError: There are none.
    """
    if (directory / MANIFEST).is_file():
        return [directory]
    found = [path for path in (directory, *sorted(directory.glob("[!.]*"))) if path.is_dir() and _is_archive(path)]
    if not found:
        raise ArchiveError(
            f"{directory} contains no archive." if directory.is_dir() else f"No such directory: {directory}.",
            hint=f"Name the directory that `evtrack cleanup --archive` wrote to, or one in it with a {MANIFEST}.",
        )
    return found


def _is_archive(directory: Path) -> bool:
    """Recognize an archive by its name or by any of its files, so that one with missing files is not overlooked."""
    names = (MANIFEST, *map(file_name, TABLES))
    return bool(_DAY.fullmatch(directory.name)) or any((directory / name).exists() for name in names)


def check_archive(
    directory: Path, *, pace: Callable[[Iterable[bytes]], Iterable[bytes]] = iter
) -> tuple[Manifest | None, list[str]]:
    """Read a whole archive and compare its hashes, counts and digests with its manifest.

    Args:
        directory: The archive.
        pace: Wraps the iteration over its lines, to add pauses or to report progress.

    Returns:
        Its manifest, or None if that cannot be read, and the differences, one line each; none if it is intact.
    """
    try:
        names = sorted(path.name for path in directory.iterdir())
        if MANIFEST not in names:
            files = f"so {', '.join(names)} cannot be verified" if names else "the directory is empty"
            return None, [f"{MANIFEST} is missing, {files}"]
        manifest = read_manifest(directory)
    except OSError as error:
        return None, [f"{directory} cannot be read: {error.strerror}"]
    except ArchiveError as error:
        return None, [error.message]
    differences: list[str] = []
    # A copy may have any name, but the name of another day is a mistake.
    name = directory.absolute().name
    if _DAY.fullmatch(name) and name != manifest.day:
        differences.append(f"the directory is named {name}, but the manifest is of {manifest.day}: rename it back")
    for file in manifest.files:
        differences.extend(_check_file(directory, file, manifest, pace))
    if manifest.file("events") is None:
        differences.append("the manifest lists no file of events")
    known = {MANIFEST, *(file.name for file in manifest.files)}
    differences.extend(f"{name} is not in the manifest" for name in names if name not in known)
    return manifest, differences


def _check_file(
    directory: Path,
    file: ArchivedFile,
    manifest: Manifest,
    pace: Callable[[Iterable[bytes]], Iterable[bytes]],
) -> Iterator[str]:
    path = directory / file.name
    try:
        size, found = hash_file(path)
    except OSError as error:
        yield f"{file.name} cannot be read: {error.strerror}"
        return
    if size != file.bytes:
        yield f"{file.name} has {size:,} bytes, but {file.bytes:,} in the manifest"
    if found != file.sha256:
        yield f"{file.name} has the SHA-256 {found}, but {file.sha256} in the manifest"
    digests, lines = DayDigests(), 0
    try:
        if file.table == "events":
            deque(digests.observe(pace(read_lines(path))), maxlen=0)
            lines = digests.events
        else:
            lines = sum(1 for _ in pace(read_lines(path)))
    except ValueError as error:
        yield f"{file.name}: {error}"
        return
    if lines != file.lines:
        yield f"{file.name} has {lines:,} lines, but {file.lines:,} in the manifest"
    if file.table == "events":
        yield from _check_jobs(digests, manifest)


def _check_jobs(digests: DayDigests, manifest: Manifest) -> Iterator[str]:
    listed = {job.job_id: job for job in manifest.jobs}
    wrong = [
        job_id
        for job_id in sorted(listed.keys() | digests.jobs.keys())
        if job_id not in listed
        or job_id not in digests.jobs
        or not digests.jobs[job_id].matches(listed[job_id].events, listed[job_id].digest)
    ]
    for job_id in wrong[:_MAX_JOBS_LISTED]:
        if job_id not in listed:
            yield f"job {job_id} is not in the manifest"
        elif job_id not in digests.jobs:
            yield f"job {job_id} has no events, but {listed[job_id].events:,} in the manifest"
        else:
            found, expected = digests.jobs[job_id], listed[job_id]
            yield (
                f"job {job_id} has {found.events:,} events with the digest {found.digest}, "
                f"but {expected.events:,} with the digest {expected.digest} in the manifest"
            )
    if len(wrong) > _MAX_JOBS_LISTED:
        yield f"and {len(wrong) - _MAX_JOBS_LISTED:,} more jobs"
