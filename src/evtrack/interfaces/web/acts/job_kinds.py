"""Acts on a job: suspend, resume and cancel it, and retry its failed and crashed batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evtrack.domain.states import FINAL_PHASES, BatchStatus, JobPhase
from evtrack.interfaces.web.acts.kinds import CHUNK, SHOWN, Kind, Preview
from evtrack.interfaces.words.act_results import job_result, retry_result
from evtrack.interfaces.words.formatting import counted
from evtrack.runtime.acts.queue_act import Step
from evtrack.storage.queue.job_control import cancel_job, resume_job, retry_job, suspend_job
from evtrack.storage.reports.batch_lists import batches_page, number_chunks
from evtrack.storage.reports.batch_reports import batch_row
from evtrack.storage.reports.job_reports import job_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from evtrack.interfaces.web.acts.kinds import Target
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.batch_reports import BatchRow
    from evtrack.storage.reports.job_reports import JobProgress


def _suspend_preview(conn: Connection, target: Target) -> Preview:
    job = job_progress(conn, target.job_id)
    refusal = job_result(job.job_id, "suspend", changed=False) if job.suspended else _ended(job, "suspend")
    running = counted(job.batches_running, "running batch", "running batches")
    return Preview(
        touched=job.batches_pending,
        effect=f"Pending batches wait until somebody resumes the job; {running} will not be interrupted.",
        command=f"evtrack suspend {job.job_id}",
        refusal=refusal,
        batches=_first(conn, job, BatchStatus.PENDING),
    )


def _resume_preview(conn: Connection, target: Target) -> Preview:
    job = job_progress(conn, target.job_id)
    return Preview(
        touched=job.batches_pending,
        effect="Workers may take the job's pending batches again.",
        command=f"evtrack resume {job.job_id}",
        refusal="" if job.suspended else job_result(job.job_id, "resume", changed=False),
        batches=_first(conn, job, BatchStatus.PENDING),
    )


def _cancel_preview(conn: Connection, target: Target) -> Preview:
    job = job_progress(conn, target.job_id)
    is_cancelled = job.phase == JobPhase.CANCELLED
    refusal = job_result(job.job_id, "cancel", changed=False) if is_cancelled else _ended(job, "cancel")
    running = counted(job.batches_running, "running batch", "running batches")
    return Preview(
        touched=job.batches_pending,
        effect=f"Pending batches never run, for good; {running} will finish, and not be retried.",
        command=f"evtrack cancel {job.job_id}",
        refusal=refusal,
        batches=_first(conn, job, BatchStatus.PENDING),
    )


def _retry_preview(conn: Connection, target: Target) -> Preview:
    job = job_progress(conn, target.job_id)
    if target.batch_no is None:
        touched = sum({"failed": job.batches_failed, "crashed": job.batches_crashed}[each] for each in target.statuses)
        found = [row for status in target.statuses for row in _first(conn, job, BatchStatus(status))][:SHOWN]
    else:
        row = batch_row(conn, job.job_id, target.batch_no)
        found = [row] if row.status in target.statuses else []
        touched = len(found)
    refusal = "" if touched else retry_result(job.job_id, 0, target.statuses)
    if job.phase == JobPhase.CANCELLED:
        refusal = f"Job {job.job_id} is cancelled: its batches cannot be retried. Submit a new job."
    elif not touched and target.batch_no is not None:
        refusal = f"Batch {target.batch_no} is not {' or '.join(target.statuses)}: there is nothing to retry."
    return Preview(
        touched=touched,
        effect="Each returns to the queue with new budgets, and runs again. A finished job is reopened.",
        command=_retry_command(target),
        refusal=refusal,
        batches=found,
    )


def _retry_command(target: Target) -> str:
    status = f" --status {target.status}" if target.status else ""
    return f"evtrack retry {target.job_id}{status}" + (f" --batch {target.batch_no}" if target.batch_no else "")


def _retry_title(target: Target) -> str:
    which = "failed and crashed" if target.status is None else target.status
    if target.batch_no is not None:
        return f"Retry batch {target.batch_no} of job {target.job_id}"
    return f"Retry the {which} batches of job {target.job_id}"


def _retry_steps(conn: Connection, target: Target) -> Generator[Step]:
    # What was retried is not failed any more, so that a second press leaves it alone.
    if target.batch_no is not None:
        yield Step(retry_job(conn, target.job_id, statuses=target.statuses, batch_nos=[target.batch_no]))
        return
    for status in target.statuses:
        for numbers in number_chunks(conn, target.job_id, status=status, most=CHUNK):
            retried = retry_job(conn, target.job_id, statuses=[status], batch_nos=numbers) if numbers else 0
            yield Step(retried)


def _one_step(act: Callable[[Connection, int], bool]) -> Callable[[Connection, Target], Generator[Step]]:
    def steps(conn: Connection, target: Target) -> Generator[Step]:
        yield Step(int(act(conn, target.job_id)))

    return steps


def _first(conn: Connection, job: JobProgress, status: BatchStatus) -> list[BatchRow]:
    return batches_page(conn, job.job_id, limit=SHOWN, status=status).rows


def _ended(job: JobProgress, act: str) -> str:
    return f"Job {job.job_id} is {job.phase}: nothing is left to {act}." if job.phase in FINAL_PHASES else ""


SUSPEND: Final = Kind(
    name="suspend",
    path="/jobs/{job_id}/suspend",
    noun="job",
    title=lambda target: f"Suspend job {target.job_id}",
    preview=_suspend_preview,
    steps=_one_step(suspend_job),
    result=lambda target, changed: job_result(target.job_id, "suspend", changed=changed > 0),
)

RESUME: Final = Kind(
    name="resume",
    path="/jobs/{job_id}/resume",
    noun="job",
    title=lambda target: f"Resume job {target.job_id}",
    preview=_resume_preview,
    steps=_one_step(resume_job),
    result=lambda target, changed: job_result(target.job_id, "resume", changed=changed > 0),
)

CANCEL: Final = Kind(
    name="cancel",
    path="/jobs/{job_id}/cancel",
    noun="job",
    title=lambda target: f"Cancel job {target.job_id}",
    preview=_cancel_preview,
    steps=_one_step(cancel_job),
    result=lambda target, changed: job_result(target.job_id, "cancel", changed=changed > 0),
    rewrites=True,
    is_final=True,
)

RETRY: Final = Kind(
    name="retry",
    path="/jobs/{job_id}/retry",
    noun="batch",
    title=_retry_title,
    preview=_retry_preview,
    steps=_retry_steps,
    result=lambda target, changed: retry_result(target.job_id, changed, target.statuses),
    rewrites=True,
    can_stop=True,
)
