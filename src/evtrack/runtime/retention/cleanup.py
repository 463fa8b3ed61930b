"""Drops the days all of whose jobs ended long ago; first reads, checks and archives them, one day at a time."""

from __future__ import annotations

import random
import time
from collections import deque
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from evtrack.domain.states import FINAL_PHASES
from evtrack.runtime.retention.cleanup_result import DroppedDay, KeptDay, pinned_day
from evtrack.runtime.retention.day_archive import DayArchive
from evtrack.runtime.retention.day_digests import DayDigests, IncompleteStream
from evtrack.runtime.retention.manifest import ArchivedJob
from evtrack.storage.retention.cleanup import (
    cleanup_lock,
    day_changed,
    drop_day,
    find_blocker,
    forget_old,
    origin,
    prepare_session,
    retention_days,
    time_ago,
    worker_names,
)
from evtrack.storage.retention.day_reader import JOBS_AT_ONCE, DayView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.retention.cleanup import Day
    from evtrack.storage.retention.day_reader import DayJob, Table

PAUSE_EVERY: Final = 2_000
PAUSE_FACTOR: Final = 5.0
MAX_PAUSE_S: Final = 0.4
PATIENCE_S: Final = 60.0
"""How long to retry dropping a day whose tables are in use."""

Step = Literal["jobs", "events", "payloads", "results", "read back"]

_PROGRESS_EVERY: Final = 5
"""After how many pauses to report progress."""
_T = TypeVar("_T")
_PAYLOAD_TABLES: Final[tuple[Table, ...]] = ("payloads", "results")


class Cleanup:
    """Drops old days, the oldest first.

    Args:
        conn: A connection in autocommit mode, as the schema's owner.
        older_than_s: A job that ended less than so many seconds ago pins its day.
        archive: The directory to archive each day to before it is dropped; None for no archive.
        with_payload: Whether to archive payloads and results too.
        on_progress: Called with progress: the day, the step, and how many items of the step are done.
        patience_s: How long to retry dropping a day whose tables are in use.
    """

    def __init__(
        self,
        *,
        conn: Connection,
        older_than_s: float,
        archive: Path | None = None,
        with_payload: bool = False,
        on_progress: Callable[[Day, Step, int], None] = lambda *_: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._conn = conn
        self._older_than_s = older_than_s
        # The ledger stores the path, and is read later and from elsewhere.
        self._archive = None if archive is None else archive.absolute()
        self._with_payload = with_payload
        self._on_progress = on_progress
        self._patience_s = patience_s

    def plan(self) -> tuple[list[Day], list[KeptDay]]:
        """Return what `run` would do, without doing it.

        Returns:
            The days that would be dropped, and those that would be kept.
        """
        prepare_session(self._conn)
        days = retention_days(self._conn, time_ago(self._conn, self._older_than_s), counted=True)
        return [day for day in days if not day.pins], [pinned_day(day) for day in days if day.pins]

    def run(self) -> Iterator[DroppedDay | KeptDay]:
        """Drop all days that may be dropped.

        Yields:
            Each day, dropped or kept.

        Raises:
            CleanupRuns: Another cleanup is running.
            ArchiveError: A day's archive could not be written, or is damaged; that day was not dropped.
        """
        prepare_session(self._conn)
        with cleanup_lock(self._conn):
            cutoff = time_ago(self._conn, self._older_than_s)
            for day in retention_days(self._conn, cutoff):
                yield pinned_day(day) if day.pins else self._drop(day, cutoff)
            forget_old(self._conn, cutoff)

    def _drop(self, day: Day, cutoff: datetime) -> DroppedDay | KeptDay:
        # A day without jobs has nothing to archive.
        writer = (
            DayArchive(self._archive, day.job_day, pace=lambda lines: self._paced(day, "read back", lines))
            if self._archive and day.jobs
            else nullcontext()
        )
        digests = DayDigests()
        with writer as archive:
            view = DayView(self._conn, day.job_day)
            jobs = list(self._paced(day, "jobs", view.jobs(), every=JOBS_AT_ONCE))
            if not all(_has_ended(job, cutoff) for job in jobs):
                return KeptDay(day=day.job_day, why="changed", reason="one of its jobs was reopened")
            wrong = self._read(day, view, jobs, digests, archive)
            if wrong is not None:
                # A retry between two pages has appended events that the snapshot does not contain.
                if day_changed(self._conn, day.job_day, snapshot=view.snapshot):
                    return _changed(day, wrong[0])
                return KeptDay(day=day.job_day, why="differs", job_id=wrong[0], reason=wrong[1])
            path = None
            if archive is not None:
                names = worker_names(self._conn, {job_id: one.workers for job_id, one in digests.jobs.items()})
                archived = _archived_jobs(jobs, digests, names)
                manifest = archive.seal(jobs=archived, origin=origin(self._conn), snapshot=view.snapshot)
                path = str(archive.publish(manifest))
        ended = [(job.job_id, digests.jobs[job.job_id]) for job in jobs]
        keys = [(job_id, one.events, bytes.fromhex(one.digest)) for job_id, one in ended]
        kept = self._wait_to_drop(day, cutoff, view.snapshot, keys, path)
        if kept is not None:
            return kept
        return DroppedDay(
            day=day.job_day,
            jobs=day.jobs,
            batches=day.batches,
            events=digests.events,
            bytes=day.bytes,
            archive=path,
        )

    def _read(
        self, day: Day, view: DayView, jobs: list[DayJob], digests: DayDigests, archive: DayArchive | None
    ) -> tuple[int, str] | None:
        """Read the day, and write it to the archive if there is one.

        Returns:
            A job whose log differs from its projection, and how; None if there is none.
        """
        try:
            # Close the reader even after an error, because the session is needed afterwards.
            with closing(view.lines("events", jobs)) as lines:
                events = digests.observe(self._paced(day, "events", lines))
                if archive is None:
                    deque(events, maxlen=0)
                else:
                    archive.add("events", events)
            if archive is not None and self._with_payload:
                for table in _PAYLOAD_TABLES:
                    with closing(view.lines(table, jobs)) as lines:
                        archive.add(table, self._paced(day, table, lines))
        except IncompleteStream as error:
            return error.job_id, str(error)
        wrong = _differing_job(jobs, digests)
        return None if wrong is None else (wrong, f"the log of job {wrong} differs from its projection")

    def _wait_to_drop(
        self, day: Day, cutoff: datetime, snapshot: str, jobs: list[tuple[int, int, bytes]], archive: str | None
    ) -> KeptDay | None:
        deadline = time.monotonic() + self._patience_s
        while True:
            outcome = drop_day(
                self._conn, day.job_day, ended_before=cutoff, snapshot=snapshot, jobs=jobs, archive=archive
            )
            if outcome == "dropped":
                return None
            if outcome == "changed":
                return _changed(day)
            if time.monotonic() > deadline:
                holder = find_blocker(self._conn)
                by = f" by process {holder[0]} ({holder[1]}), for {holder[2]:.0f} s" if holder else ""
                reason = f"its tables were in use for {self._patience_s:.0f} s{by}"
                return KeptDay(day=day.job_day, why="busy", reason=reason)
            time.sleep(0.2 + 0.3 * random.random())  # noqa: S311  jitter

    def _paced(self, day: Day, step: Step, items: Iterable[_T], *, every: int = PAUSE_EVERY) -> Iterator[_T]:
        count = 0
        for count, item in enumerate(paced(items, every), 1):
            if count % (_PROGRESS_EVERY * every) == 0:
                self._on_progress(day, step, count)
            yield item
        self._on_progress(day, step, count)


def _changed(day: Day, job_id: int | None = None) -> KeptDay:
    return KeptDay(day=day.job_day, why="changed", job_id=job_id, reason="it was written to while it was read")


def _has_ended(job: DayJob, cutoff: datetime) -> bool:
    return job.phase in FINAL_PHASES and job.ended_at is not None and job.ended_at < cutoff


def _differing_job(jobs: list[DayJob], digests: DayDigests) -> int | None:
    """Find a job whose log differs from what its projection was folded from, by count or by digest."""
    by_id = {job.job_id: job for job in jobs}
    for job_id in sorted(by_id.keys() | digests.jobs.keys()):
        job, found = by_id.get(job_id), digests.jobs.get(job_id)
        if job is None or found is None or job.versions != found.events or job.digest not in {None, found.digest}:
            return job_id
    return None


def _archived_jobs(jobs: list[DayJob], digests: DayDigests, workers: dict[int, dict[str, str]]) -> list[ArchivedJob]:
    return [
        ArchivedJob(
            job_id=job.job_id,
            name=job.name,
            handler=job.handler,
            phase=job.phase,
            batches=job.batches,
            items=job.items,
            invalid=job.invalid,
            created_at=job.created_at.isoformat(),
            ended_at=job.ended_at.isoformat() if job.ended_at else "",
            events=digests.jobs[job.job_id].events,
            digest=digests.jobs[job.job_id].digest,
            workers=workers.get(job.job_id, {}),
        )
        for job in jobs
    ]


def paced(items: Iterable[_T], every: int = PAUSE_EVERY) -> Iterator[_T]:
    """Pause five times as long as the latest items took, so that workers on the same server hardly notice.

    A low priority of this process would not help, because the server may be on another machine. On a busy machine items
    take longer because of the other load; a limit on the pause limits the time that a day takes.

    Args:
        items: Whatever is read and processed one by one.
        every: After how many items to pause.

    Yields:
        The same items.
    """
    started = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        if count % every == 0:
            time.sleep(min(MAX_PAUSE_S, PAUSE_FACTOR * (time.monotonic() - started)))
            started = time.monotonic()
