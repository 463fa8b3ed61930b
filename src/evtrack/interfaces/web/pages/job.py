"""A job: how far it is, what went wrong in it, how it went over time, and what to run next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.domain.states import JobPhase
from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.interfaces.web.pages.job_timeline import Timeline, begun_at, timeline
from evtrack.interfaces.web.pages.job_troubles import CauseCount, causes
from evtrack.interfaces.words.next_steps import NextStep, next_steps
from evtrack.interfaces.words.waiting import waiting_sentence
from evtrack.storage.reports import batch_reports, history, job_reports

if TYPE_CHECKING:
    from datetime import datetime

    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.job_reports import JobProgress, JobStatus, NoteRow, Waiting

_NOTES: Final = 10
_CRASHES: Final = 200
_OPEN: Final = (JobPhase.OPEN, JobPhase.ABANDONED)


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
        timeline: How its items were divided over time.
        causes: Its latest crashes by cause.
        crashes: How many crashes these are.
        crashes_bound: How many are looked at, at most.
        notes: The latest messages about its source.
        steps: What to run next.
    """

    job: JobStatus
    progress: JobProgress
    begun_at: datetime | None
    waiting: Waiting | None
    why: str
    timeline: Timeline
    causes: list[CauseCount]
    crashes: int
    crashes_bound: int
    notes: list[NoteRow]
    steps: list[NextStep]


def _parse(address: Address) -> JobArgs:
    return JobArgs(address.number("job_id"), address.time("at"))


def _read(conn: Connection, args: JobArgs) -> Job:
    job = job_reports.job_status(conn, args.job_id)
    progress = job_reports.job_progress(conn, args.job_id)
    waiting = job_reports.waiting(conn, args.job_id) if progress.batches_pending else None
    points = history.timeline_of(conn, args.job_id)
    crashes = batch_reports.crashes(conn, args.job_id, limit=_CRASHES)
    return Job(
        job=job,
        progress=progress,
        begun_at=begun_at(points),
        waiting=waiting,
        why="" if waiting is None else waiting_sentence(waiting, job.handler),
        timeline=timeline(points, progress, args.at),
        causes=causes(crashes),
        crashes=len(crashes),
        crashes_bound=_CRASHES,
        notes=job_reports.notes(conn, args.job_id, limit=_NOTES) if job.note_count else [],
        steps=next_steps(
            job,
            submitter_lives=job.phase in _OPEN and job_reports.submitter_lives(conn, args.job_id),
            is_offered=waiting is None or waiting.workers > 0,
            example_batch=crashes[0].batch_no if crashes else None,
            waiting=waiting,
        ),
    )


JOB: Final = Page(
    name="job",
    path="/jobs/{job_id}",
    parse=_parse,
    address=lambda args: link(f"/jobs/{args.job_id}", at=args.at),
    read=_read,
    title=lambda page: f"Job {page.job.job_id}",
    every_s=1.0,
)
