"""Crashes page by page, their causes and their map, the latest errors, and the hunts under way."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import one, rows
from evtrack.storage.reports.batch_reports import Crash

LOOKED: Final = 2000
"""At how many crashes a page with a filter looks."""

FAILURES: Final = 1000
"""Of how many failures the errors of a job are shown."""

CRASHES: Final = 1000
"""Of how many crashes the causes of a job are shown."""

_HUNTED: Final = 200
_ROOTS: Final = 20


class CrashCursor(NamedTuple):
    """A place in the order of crashes."""

    at: datetime
    job_id: int
    batch_no: int


@dataclass(frozen=True, slots=True)
class CrashPage:
    """A page of crashes, the latest first, and where to go on; None when there is nothing more."""

    rows: list[Crash]
    next: CrashCursor | None


@dataclass(frozen=True, slots=True)
class RecentError:
    """An error among the latest failures of a job."""

    fingerprint: str
    type: str | None
    shape: str | None
    place: str | None
    message: str | None
    failures: int
    last_at: datetime
    example_batch_no: int
    example_item_key: str | None


@dataclass(frozen=True, slots=True)
class LatestErrors:
    """The errors of the latest failures of a job, the most frequent first.

    Args:
        failures: How many failures were looked at.
        is_all: Whether these are all.
        kinds: The errors.
    """

    failures: int
    is_all: bool
    kinds: list[RecentError]


@dataclass(frozen=True, slots=True)
class CrashCell:
    """A row of evtrack.crash_map: the attempts of a handler that ended on a UTC day."""

    handler: str
    day: date
    attempts: int
    completed: int
    failed: int
    crashed: int
    workers_lost: int


@dataclass(frozen=True, slots=True)
class HuntRow:
    """A submitted batch in which the items that crash are, or were, searched for; suspects and poison count items.

    Of the poison items, poison_keys has five at most.
    """

    job_id: int
    root_no: int
    job_name: str | None
    handler: str
    item_count: int
    suspects: int
    suspect_batches: int
    crashes: int
    poison: int
    poison_keys: list[str]
    last_at: datetime

    @property
    def is_over(self) -> bool:
        """Whether no item is suspect any more."""
        return self.suspect_batches == 0


@dataclass(frozen=True, slots=True)
class CrashCause:
    """A cause among the latest crashes of a job."""

    cause: str | None
    signal: str | None
    exit_code: int | None
    crashes: int
    batches: int
    last_at: datetime
    example_batch_no: int


def crashes_page(
    conn: Connection,
    *,
    job_id: int | None = None,
    handler: str | None = None,
    cause: str | None = None,
    worker_id: int | None = None,
    day: datetime | None = None,
    before: CrashCursor | None = None,
    limit: int = 50,
) -> CrashPage:
    """Read a page of crashes, the latest first.

    Args:
        job_id: Only those of this job; None for all.
        handler: Only those of this handler; None for all.
        cause: Only those with this cause; None for all.
        worker_id: Only those of this worker; None for all.
        day: Only those within a day from this time; None for all.
        before: Only those behind this place; None for all.
        limit: How many at most.
    """
    at, before_job, before_batch = before or (None if day is None else day + timedelta(days=1), None, None)
    if before is None and day is not None:
        before_job = before_batch = 0
    filtered = any(each is not None for each in (handler, cause, worker_id))
    walk = LOOKED if filtered else limit + 1
    place = {"at": at, "before_job": before_job, "before_batch": before_batch, "job_id": job_id, "since": day}
    found = rows(
        conn,
        Crash,
        "crashes_page",
        limit=limit + 1,
        walk=walk,
        handler=handler,
        cause=cause,
        worker_id=worker_id,
        **place,
    )
    if len(found) > limit:
        last = found[limit - 1]
        return CrashPage(found[:limit], CrashCursor(last.at, last.job_id, last.batch_no))
    return CrashPage(found, one(conn, CrashCursor, "crash_walk", walk=walk, **place) if filtered else None)


def latest_errors(conn: Connection, job_id: int) -> LatestErrors:
    """Read the errors of the latest failures of a job."""
    kinds: dict[str, RecentError] = {}
    for each in rows(conn, RecentError, "latest_errors", job_id=job_id, most=FAILURES):
        known = kinds.get(each.fingerprint)
        kinds[each.fingerprint] = each if known is None else _merged(known, each)
    failures = sum(each.failures for each in kinds.values())
    worst = sorted(kinds.values(), key=lambda each: (-each.failures, each.fingerprint))
    return LatestErrors(failures, failures < FAILURES, worst)


def crash_map(conn: Connection, *, days: int = 14) -> list[CrashCell]:
    """Count the attempts that ended on the last days, by handler and UTC day."""
    return rows(conn, CrashCell, "crash_map", days=days)


def crash_causes(conn: Connection, job_id: int) -> list[CrashCause]:
    """Read the causes of the latest crashes of a job, the most frequent first."""
    return rows(conn, CrashCause, "crash_causes", job_id=job_id, most=CRASHES)


def hunts(conn: Connection, *, job_id: int | None = None, under_way: bool = True, limit: int = 5) -> list[HuntRow]:
    """Read the hunts with the latest crashes, the latest first; crashes are those among the latest 200.

    Args:
        job_id: Only those of this job; None for all.
        under_way: Only those in which some items are still suspect.
        limit: How many at most.
    """
    return rows(conn, HuntRow, "hunts", job_id=job_id, under_way=under_way, walk=_HUNTED, roots=_ROOTS, limit=limit)


def _merged(one_group: RecentError, other: RecentError) -> RecentError:
    latest = max(one_group, other, key=lambda each: each.last_at)
    return RecentError(
        latest.fingerprint,
        latest.type,
        latest.shape,
        latest.place,
        latest.message,
        one_group.failures + other.failures,
        latest.last_at,
        latest.example_batch_no,
        latest.example_item_key,
    )
