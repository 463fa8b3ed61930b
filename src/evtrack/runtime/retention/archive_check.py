"""Reads an archive back and holds it against its manifest."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import ArchiveError
from evtrack.runtime.retention.archive_files import hash_of, read_lines
from evtrack.runtime.retention.day_digests import DayDigests
from evtrack.runtime.retention.manifest import MANIFEST, TABLES, Manifest, file_name, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from evtrack.runtime.retention.manifest import ArchivedFile

_NAMED: Final = 20
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def archives(folder: Path) -> list[Path]:
    """Find the archives in a folder.

    Args:
        folder: One archive, or a folder of them.

    Returns:
        The archives by name, also those whose manifest is gone; what a cleanup that was killed left half done is none.

    Raises:
        ArchiveError: There is none.
    """
    if (folder / MANIFEST).is_file():
        return [folder]
    found = [path for path in (folder, *sorted(folder.glob("[!.]*"))) if path.is_dir() and _was_archive(path)]
    if not found:
        raise ArchiveError(
            f"{folder} holds no archive." if folder.is_dir() else f"There is no folder {folder}.",
            hint=f"Name the folder that `evtrack cleanup --archive` wrote: it, or a folder in it, has a {MANIFEST}.",
        )
    return found


def _was_archive(folder: Path) -> bool:
    """Tell an archive by its name or by any of its files: one that lost some must not look like none."""
    names = (MANIFEST, *map(file_name, TABLES))
    return bool(_DAY.fullmatch(folder.name)) or any((folder / name).exists() for name in names)


def check(
    folder: Path, *, through: Callable[[Iterable[bytes]], Iterable[bytes]] = iter
) -> tuple[Manifest | None, list[str]]:
    """Read an archive whole and compare: hashes, counts, digests.

    Args:
        folder: The archive.
        through: What its lines pass through on the way.

    Returns:
        Its manifest, if that could be read, and what differs, a line each; none when all is as it should be.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
        if MANIFEST not in names:
            return None, [
                f"{MANIFEST} is missing; without it nothing proves {', '.join(names) or 'that this is a day'}"
            ]
        manifest = read_manifest(folder)
    except OSError as error:
        return None, [f"{folder} cannot be read: {error.strerror}"]
    except ArchiveError as error:
        return None, [error.message]
    differences: list[str] = []
    # A copy may be called anything, but a day stands for what it says.
    name = folder.absolute().name
    if _DAY.fullmatch(name) and name != manifest.day:
        differences.append(f"the folder is called {name}, the manifest is of {manifest.day}: give it its name back")
    for file in manifest.files:
        differences.extend(_check_file(folder, file, manifest, through))
    if manifest.file("events") is None:
        differences.append("the manifest names no file of events")
    known = {MANIFEST, *(file.name for file in manifest.files)}
    differences.extend(f"{name} is not in the manifest" for name in names if name not in known)
    return manifest, differences


def _check_file(
    folder: Path,
    file: ArchivedFile,
    manifest: Manifest,
    through: Callable[[Iterable[bytes]], Iterable[bytes]],
) -> Iterator[str]:
    path = folder / file.name
    try:
        size, found = hash_of(path)
    except OSError as error:
        yield f"{file.name} cannot be read: {error.strerror}"
        return
    if size != file.bytes:
        yield f"{file.name} has {size:,} bytes, the manifest says {file.bytes:,}"
    if found != file.sha256:
        yield f"{file.name} has the SHA-256 {found}, the manifest says {file.sha256}"
    digests, lines = DayDigests(), 0
    try:
        if file.table == "events":
            deque(digests.passing(through(read_lines(path))), maxlen=0)
            lines = digests.events
        else:
            lines = sum(1 for _ in through(read_lines(path)))
    except ValueError as error:
        yield f"{file.name}: {error}"
        return
    if lines != file.lines:
        yield f"{file.name} has {lines:,} lines, the manifest says {file.lines:,}"
    if file.table == "events":
        yield from _check_jobs(digests, manifest)


def _check_jobs(digests: DayDigests, manifest: Manifest) -> Iterator[str]:
    told = {job.job_id: job for job in manifest.jobs}
    wrong = [
        job_id
        for job_id in sorted(told.keys() | digests.jobs.keys())
        if job_id not in told
        or job_id not in digests.jobs
        or (told[job_id].events, told[job_id].digest) != (digests.jobs[job_id].events, digests.jobs[job_id].digest)
    ]
    for job_id in wrong[:_NAMED]:
        if job_id not in told:
            yield f"job {job_id} is not in the manifest"
        elif job_id not in digests.jobs:
            yield f"job {job_id} has no events, the manifest says {told[job_id].events:,}"
        else:
            found, said = digests.jobs[job_id], told[job_id]
            yield (
                f"job {job_id} has {found.events:,} events with the digest {found.digest}, "
                f"the manifest says {said.events:,} with {said.digest}"
            )
    if len(wrong) > _NAMED:
        yield f"and {len(wrong) - _NAMED:,} more jobs"
