"""A job: how far it is, what went wrong in it, how it went over time, and what to run next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.job_timeline import Timeline, begun_at, since_creation, timeline
from evtrack.interfaces.web.page import Page
from evtrack.interfaces.web.pages.job_moment import MOST_BATCHES
from evtrack.interfaces.words.next_steps import NextStep, next_steps
from evtrack.interfaces.words.waiting import waiting_sentence
from evtrack.runtime.live.remembered import Remembered
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports import history, job_reports
from evtrack.storage.reports.batch_lists import LOOKED, slowest_batches
from evtrack.storage.reports.batch_reports import BatchRow
from evtrack.storage.reports.job_overview import job_overview
from evtrack.storage.reports.job_reports import JobProgress, JobStatus, NoteRow, Waiting
from evtrack.storage.reports.trouble_lists import (
    CRASHES,
    CrashCause,
    HuntRow,
    LatestErrors,
    crash_causes,
    hunts,
    latest_errors,
)
from evtrack.storage.reports.verifications import Verification

_NOTES: Final = 10
_HUNTS: Final = 10
_LARGE: Final = 1_000
"""From so many batches on, what went wrong is not read each time."""

TROUBLES_KEPT_S: Final = 5.0
"""For how long it is shown before it is read again."""


@dataclass(frozen=True, slots=True)
class Troubles:
    """What went wrong in a job, and what took long.

    Args:
        hunts: The submitted batches in which the items that crash are, or were, searched for.
        causes: Its latest crashes by cause.
        errors: The errors of its latest failures.
        slowest: The slowest of its latest batches.
    """

    hunts: list[HuntRow]
    causes: list[CrashCause]
    errors: LatestErrors
    slowest: list[BatchRow]


def read_troubles(conn: Connection, job_id: int, *, batches: int) -> Troubles:
    """Read what went wrong in a job.

    Args:
        conn: The database.
        job_id: The job.
        batches: Its batches.
    """
    causes = crash_causes(conn, job_id)
    return Troubles(
        hunts=hunts(conn, job_id=job_id, under_way=False, limit=_HUNTS) if causes else [],
        causes=causes,
        errors=latest_errors(conn, job_id),
        slowest=slowest_batches(conn, job_id, batches=batches),
    )


TROUBLES: Final = Remembered(read_troubles, keep_s=TROUBLES_KEPT_S)
"""What went wrong in large jobs: to read a thousand crashes and failures takes most of the time of the page."""


@dataclass(frozen=True, slots=True)
class JobArgs:
    """Which job, and the time to look at."""

    job_id: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job at a moment.

    Args:
        job: What it is, and its phase.
        progress: Its items and batches by status.
        begun_at: When anything ran first, to ten seconds.
        waiting: How long its pending batches have been waiting.
        why: The same as a sentence; empty if nothing waits.
        proof: Its latest verification.
        timeline: How its items were divided over time.
        hunts: The submitted batches in which the items that crash are, or were, searched for.
        causes: Its latest crashes by cause.
        errors: The errors of its latest failures.
        slowest: The slowest of its latest batches.
        notes: The latest messages about its source.
        steps: What to run next.
    """

    job: JobStatus
    progress: JobProgress
    begun_at: datetime | None
    waiting: Waiting | None
    why: str
    proof: Verification | None
    timeline: Timeline
    hunts: list[HuntRow]
    causes: list[CrashCause]
    errors: LatestErrors
    slowest: list[BatchRow]
    notes: list[NoteRow]
    steps: list[NextStep]

    @property
    def can_fold(self) -> bool:
        """Whether a page can fold its events."""
        return self.progress.batches <= MOST_BATCHES

    @property
    def has_more_crashes(self) -> bool:
        """Whether there are older crashes than those that are counted."""
        return sum(cause.crashes for cause in self.causes) >= CRASHES

    @property
    def crashes_looked_at(self) -> int:
        """Of how many crashes the causes are counted."""
        return CRASHES

    @property
    def troubles_kept_s(self) -> float:
        """For how long what went wrong is shown before it is read again."""
        return TROUBLES_KEPT_S if self.progress.batches >= _LARGE else 0.0

    @property
    def batches_looked_at(self) -> int:
        """Of how many batches the slowest are shown."""
        return LOOKED


def _parse(address: Address) -> JobArgs:
    return JobArgs(address.number("job_id"), address.time("at"))


def _read(conn: Connection, args: JobArgs) -> Job:
    found = job_overview(conn, args.job_id)
    job, waiting = found.status, found.waiting
    points = since_creation(history.timeline_of(conn, args.job_id), found.progress.created_at)
    batches = found.progress.batches
    troubles = (TROUBLES if batches >= _LARGE else read_troubles)(conn, args.job_id, batches=batches)
    return Job(
        job=job,
        progress=found.progress,
        begun_at=begun_at(points),
        waiting=waiting,
        why="" if waiting is None else waiting_sentence(waiting, job.handler),
        proof=found.verification,
        timeline=timeline(points, found.progress, args.at),
        hunts=troubles.hunts,
        causes=troubles.causes,
        errors=troubles.errors,
        slowest=troubles.slowest,
        notes=job_reports.notes(conn, args.job_id, limit=_NOTES) if job.note_count else [],
        steps=next_steps(
            job,
            submitter_lives=found.is_submitting,
            is_offered=waiting is None or waiting.workers > 0,
            example_batch=_example(troubles.causes, troubles.errors),
            waiting=waiting,
        ),
    )


def _example(causes: list[CrashCause], errors: LatestErrors) -> int | None:
    if causes:
        return causes[0].example_batch_no
    return errors.kinds[0].example_batch_no if errors.kinds else None


JOB: Final = Page(
    name="job",
    path="/jobs/{job_id}",
    parse=_parse,
    address=lambda args: link(f"/jobs/{args.job_id}", at=args.at),
    read=_read,
    title=lambda page: f"Job {page.job.job_id}",
    every_s=1.0,
)
