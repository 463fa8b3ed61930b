"""Brings jobs of an archive back: their events as they were, and the projection that follows from them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Final, NamedTuple

from psycopg.types.json import Jsonb

from evtrack.domain.errors import ArchiveError
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.statements import statement
from evtrack.storage.log.rebuild import rebuild

_PAGE: Final = 2000
_NAMED: Final = 10


class Known(NamedTuple):
    """A job that the database knows: the digest of its log, and whether it was dropped."""

    digest: str
    dropped: bool


def known_jobs(conn: Connection, job_ids: Iterable[int]) -> dict[int, Known]:
    """Find which jobs the database knows, those that were dropped too.

    Args:
        conn: An open connection.
        job_ids: The jobs to look for.

    Returns:
        Those that it knows.
    """
    rows = conn.execute(statement("known_jobs"), {"job_ids": list(job_ids)})
    return {job_id: Known(digest, dropped) for job_id, digest, dropped in rows}


def make_room(conn: Connection, job_day: date, last_job: int) -> None:
    """Make the day's partitions, and give no new job one of the numbers that come back.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        job_day: The day.
        last_job: The highest number that comes back.
    """
    conn.execute("SELECT evtrack.make_partitions(%s, 1)", [job_day])
    conn.execute(statement("reserve_job_ids"), {"last": last_job})


def restore_job(
    conn: Connection,
    job_day: date,
    job_id: int,
    *,
    digest: str,
    tables: Mapping[str, Iterable[bytes]],
    workers: Mapping[str, str] | None = None,
) -> int:
    """Bring one job back, whole or not at all.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        job_day: Its day.
        job_id: The job, which must not be there.
        digest: What the digest of its log must be.
        tables: Its lines by table: events, and payloads and results where there are some.
        workers: What the workers that it names are called, by number.

    Returns:
        How many events it has.

    Raises:
        ArchiveError: What the database makes of the events is not what the archive says.
    """
    events = 0
    with conn.transaction():
        for table, lines in tables.items():
            for page in _pages(lines):
                conn.execute(statement(f"restore_{table}"), {"job_day": job_day, "lines": page})
                events += len(page) if table == "events" else 0
        made = rebuild(conn, job_id)
        if made.damaged:
            wrong = [str(each) for each in made.found if each.log_is_damaged][:_NAMED]
            raise ArchiveError(
                f"The archived log of job {job_id} is no log that evtrack has written:\n  " + "\n  ".join(wrong),
                hint="Nothing of this job was restored.",
            )
        conn.execute(statement("strike_ledger"), {"job_id": job_id})
        conn.execute(statement("note_restored"), {"job_id": job_id, "workers": Jsonb(dict(workers or {}))})
        found = conn.execute("SELECT encode(evtrack.job_digest(%s), 'hex')", [job_id]).fetchone()
        if found is None or found[0] != digest:
            raise ArchiveError(
                f"Job {job_id} does not come back as it was: its digest is {found and found[0]}, "
                f"the archive says {digest}.",
                hint="Nothing of this job was restored.",
            )
    return events


def _pages(lines: Iterable[bytes]) -> Iterator[list[str]]:
    rest = iter(lines)
    while page := [line.decode() for line in islice(rest, _PAGE)]:
        yield page
