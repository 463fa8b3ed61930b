"""Models of pages whose texts from outside are all the same, to be rendered with harmless and with hostile ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import story_samples
from evtrack.interfaces.web.batch_address import BatchAddress
from evtrack.interfaces.web.job_timeline import timeline
from evtrack.interfaces.web.pages.batches import Batches, BatchesArgs
from evtrack.interfaces.web.pages.hunt import HuntAddress
from evtrack.interfaces.web.pages.job import Job, JobArgs
from evtrack.interfaces.web.pages.job_moment import JobMoment, MomentArgs
from evtrack.interfaces.web.pages.jobs import Jobs, JobsArgs
from evtrack.interfaces.web.pages.now import Now
from evtrack.interfaces.web.rendering import Renderer
from evtrack.interfaces.words.next_steps import NextStep
from evtrack.interfaces.words.verdict import Verdict
from evtrack.interfaces.words.waiting import waiting_sentence
from evtrack.storage.connection.session_facts import SessionFacts
from evtrack.storage.connection.snapshot import ReadCost
from evtrack.storage.reports.batch_reports import BatchRow, Crash
from evtrack.storage.reports.history import ProgressAt, TimelinePoint
from evtrack.storage.reports.job_reports import JobProgress, JobStatus, NoteRow, Waiting
from evtrack.storage.reports.system_health import Health
from evtrack.storage.reports.trouble_lists import CrashCause, HuntRow, LatestErrors, RecentError
from evtrack.storage.reports.verifications import Verification
from evtrack.storage.reports.walk import Walk
from evtrack.storage.reports.worker_reports import WorkerRow

if TYPE_CHECKING:
    from collections.abc import Callable

AT = datetime(2026, 11, 24, 21, 5, tzinfo=UTC)


class Sample(NamedTuple):
    """What a page is rendered with."""

    args: Any
    page: Any


def job_status(text: str, **change: Any) -> JobStatus:
    """Make a job whose name and handler are a text."""
    row: dict[str, Any] = {
        "job_id": 12, "name": text, "handler": text, "priority": 1, "phase": "sealed", "suspended": False,
        "outcome": None, "total": 100, "done": 50, "failed": 3, "crashed": 2, "cancelled": 1, "invalid": 4,
        "pending": 30, "running": 10, "percent": 60.0, "batches": 20, "pace": 1.5, "eta": AT, "elapsed_s": 40.0,
        "note_count": 3, "created_at": AT, "sealed_at": AT, "finished_at": None, "cancelled_at": None,
    }  # fmt: skip
    return JobStatus(**(row | change))


def job_progress(**change: Any) -> JobProgress:
    """Make the progress of that job."""
    row: dict[str, Any] = {
        "job_id": 12, "phase": "sealed", "suspended": False, "total": 100, "done": 50, "failed": 3, "crashed": 2,
        "cancelled": 1, "invalid": 4, "pending": 30, "running": 10, "ended": 60, "percent": 60.0, "batches": 20,
        "batches_pending": 5, "batches_running": 2, "batches_completed": 8, "batches_failed": 1, "batches_crashed": 1,
        "batches_split": 2, "batches_cancelled": 1, "bytes_read": 900, "bytes_total": 1000, "pace": 1.5,
        "remaining_s": 30.0, "eta": AT, "elapsed_s": 40.0, "created_at": AT, "ended_at": None,
    }  # fmt: skip
    return JobProgress(**(row | change))


def timeline_points(number: int) -> list[TimelinePoint]:
    """Make a job of 100 items that goes on for so many spans of ten seconds."""
    return [
        TimelinePoint(
            AT + timedelta(seconds=10 * place), 100 - min(place, 90), 10 if place else 0, min(place, 90), 0, 0, 0
        )
        for place in range(number)
    ]


def crash(text: str) -> Crash:
    """Make a crash whose texts are all the same."""
    return Crash(
        job_id=12, batch_no=7, attempt=2, at=AT, cause=text, signal=text, exit_code=None, item_key=text, ordinal=3,
        worker=text, batch_status="crashed", fate="crashed", item_summary=text, poison=True, host=text, pid=1,
        run_s=0.1, cpu_s=0.1, peak_rss_bytes=1024,
    )  # fmt: skip


def batch(text: str) -> BatchRow:
    """Make a batch whose texts are all the same."""
    return BatchRow(
        job_id=12, batch_no=7, status="failed", item_count=3, weight=3, attempt=2, worker=text, enqueued_at=AT,
        started_at=AT, finished_at=AT, run_s=1.5, error=text, item_summary=text, root_no=1, parent_no=3, errors=1,
        crashes=0, losses=0, exclusive_losses=0, isolation="none", run_at=AT,
    )  # fmt: skip


def hunt_row(text: str) -> HuntRow:
    """Make a hunt whose texts are all the same."""
    return HuntRow(
        job_id=12, root_no=1, job_name=text, handler=text, item_count=64, suspects=8, suspect_batches=2, crashes=5,
        poison=7, poison_keys=[text], last_at=AT,
    )  # fmt: skip


def verification(text: str) -> Verification:
    """Make a verification whose texts are all the same."""
    return Verification(12, AT, text, "damaged", 10, 1, [{"what": text}], text)


def _now(text: str) -> Sample:
    health = Health(
        since=AT, attempts=100, completed=90, failed=5, crashed=5, workers_lost=0, running=2, jobs_waiting=1, pending=5,
        pending_items=30, oldest_s=3.0, no_worker=0, never_started=0, overdue=0, workers=1, slots=2, busy=1, silent=0,
        silent_busy=0, longest_silent_s=None,
    )  # fmt: skip
    worker = WorkerRow(1, text, "alive", text, 1, [text, "other"], 2, 1, text, AT, AT, 0.1)
    verdict = Verdict(healthy=False, facts=(text,))
    return Sample((), Now(verdict, AT, health, 0, [job_status(text)], [], [hunt_row(text)], [crash(text)], [worker]))


def _jobs(text: str) -> Sample:
    page = Jobs(Walk([job_status(text)], 300, 400, 300), {12: verification(text)})
    return Sample(JobsArgs("sealed", text, 400), page)


def _batches(text: str) -> Sample:
    return Sample(BatchesArgs(12, "failed", 100), Batches(job_progress(), Walk([batch(text)], 5100, 101, 5100)))


def _job(text: str) -> Sample:
    error = RecentError(text, text, text, text, text, 1000, AT, 7, text)
    page = Job(
        job=job_status(text),
        progress=job_progress(batches=6000),
        begun_at=AT,
        waiting=Waiting(12, 5, 30, AT, 3.0, 1, 0, "queue", overdue=False),
        why=waiting_sentence(Waiting(12, 5, 30, AT, 3.0, 1, 0, "no worker", overdue=True), text),
        proof=verification(text),
        timeline=timeline(timeline_points(4), job_progress(), AT),
        hunts=[hunt_row(text)],
        causes=[CrashCause(text, text, None, 1000, 3, AT, 7)],
        errors=LatestErrors(1000, is_all=False, kinds=[error]),
        slowest=[batch(text)],
        notes=[NoteRow(12, AT, text, text, text)],
        steps=[NextStep("evtrack work --import MODULE", text)],
    )
    return Sample(JobArgs(12, AT), page)


def _job_moment(text: str) -> Sample:
    del text
    then = ProgressAt(12, AT, "sealed", False, 9, 1, 1, 1, 1, 1, 2, 2, 55.5, 9, 2, 2, 1, 1, 1, 1, 1)
    return Sample(MomentArgs(12, AT), JobMoment(12, AT, then))


def _story(text: str) -> Sample:
    return Sample(BatchAddress(12, 7), story_samples.story(text))


def _hunt(text: str) -> Sample:
    return Sample(HuntAddress(12, 1, AT), story_samples.hunt_page(text))


SAMPLES: dict[str, Callable[[str], Sample]] = {
    "now": _now,
    "jobs": _jobs,
    "job": _job,
    "job_moment": _job_moment,
    "batches": _batches,
    "story": _story,
    "hunt": _hunt,
}
"""For each template, what makes its model of a text."""


def rendered(name: str, sample: Sample, prefix: str = "") -> str:
    """Render a page as the site does."""
    session = SessionFacts("evtrack", "reader", AT, standby=False, reads_only=True)
    values = {
        "page": sample.page, "session": session, "args": sample.args, "title": name, "address": f"/{name}",
        "is_live": True, "cost": ReadCost(3, 0.001), "json_address": f"/{name}.json", "may_act": True, "user": "",
        "settings_address": "/settings", "preferences": {"theme": "auto", "zone": "utc"},
    }  # fmt: skip
    return _renderer(prefix).page(name, values)


@cache
def _renderer(prefix: str) -> Renderer:
    return Renderer(prefix)
