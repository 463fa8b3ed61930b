"""Restores jobs from an archive: their events as they were, and the projection rebuilt from them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from hashlib import sha256
from itertools import count, islice, takewhile
from typing import Final, NamedTuple

from psycopg.types.json import Jsonb

from evtrack.domain.errors import ArchiveError
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import rows, run, value
from evtrack.storage.log.rebuild import rebuild

_PAGE: Final = 2000
_NAMED: Final = 10


class KnownJob(NamedTuple):
    """A job that is in the database or was dropped from it, and the digest of its log."""

    job_id: int
    digest: str
    dropped: bool


def known_jobs(conn: Connection, job_ids: Iterable[int]) -> dict[int, KnownJob]:
    """Find which jobs are in the database, or were dropped from it.

    Args:
        job_ids: The jobs to look for.

    Returns:
        Those that are known, by number.
    """
    return {job.job_id: job for job in rows(conn, KnownJob, "known_jobs", job_ids=list(job_ids))}


def has_digest(conn: Connection, job_id: int, digest: str) -> bool:
    """Return whether a job's log has a digest, as this release computes it or as earlier ones did.

    Args:
        digest: In hexadecimal digits.
    """
    if value(conn, "job_digest", job_id=job_id) == digest:
        return True
    # Earlier releases hashed the links of a large job as a whole.
    whole = sha256()
    parts = (value(conn, "job_part", job_id=job_id, part=part) for part in count(-1))
    for links in takewhile(lambda part: part is not None, parts):
        whole.update(links)
    return whole.hexdigest() == digest


def prepare_day(conn: Connection, job_day: date, last_job: int) -> None:
    """Make a day's partitions, and keep new jobs from getting a number that will be restored.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        last_job: The highest number that will be restored.
    """
    run(conn, "make_partition", job_day=job_day)
    run(conn, "reserve_job_ids", last=last_job)


def restore_job(
    conn: Connection,
    job_day: date,
    job_id: int,
    *,
    digest: str,
    tables: Mapping[str, Iterable[bytes]],
    workers: Mapping[str, str] | None = None,
) -> int:
    """Restore one job completely, or not at all.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        job_id: The job, which must not exist.
        digest: The expected digest of its log.
        tables: Its lines by table: events, and payloads and results if there are any.
        workers: The names of its workers, by number.

    Returns:
        How many events it has.

    Raises:
        ArchiveError: The restored log is not the archived one.
    """
    events = 0
    with translated(), conn.transaction():
        for table, lines in tables.items():
            for page in _pages(lines):
                run(conn, f"restore_{table}", job_day=job_day, lines=page)
                events += len(page) if table == "events" else 0
        rebuilt = rebuild(conn, job_id)
        if rebuilt.damaged:
            wrong = [str(each) for each in rebuilt.found if each.log_is_damaged][:_NAMED]
            raise ArchiveError(
                f"The archived log of job {job_id} is not a valid evtrack log:\n  " + "\n  ".join(wrong),
                hint="Nothing of this job was restored.",
            )
        run(conn, "delete_ledger_line", job_id=job_id)
        run(conn, "record_restored", job_id=job_id, workers=Jsonb(dict(workers or {})))
        if not has_digest(conn, job_id, digest):
            found = value(conn, "job_digest", job_id=job_id)
            raise ArchiveError(
                f"Job {job_id} was not restored as it was: its digest is {found}, the archive says {digest}.",
                hint="Nothing of this job was restored.",
            )
    return events


def _pages(lines: Iterable[bytes]) -> Iterator[list[str]]:
    rest = iter(lines)
    while page := [line.decode() for line in islice(rest, _PAGE)]:
        yield page
