"""Choose the commands to run next for a job."""

from dataclasses import dataclass

from evtrack.domain.states import FINAL_PHASES, JobPhase
from evtrack.interfaces.words.formatting import counted, duration
from evtrack.storage.reports.job_reports import JobStatus, Waiting


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command to run next, and the reason."""

    command: str
    why: str


def next_steps(
    job: JobStatus,
    *,
    submitter_lives: bool,
    is_offered: bool,
    example_batch: int | None,
    waiting: Waiting | None = None,
) -> list[NextStep]:
    """Choose the commands that help with a job now.

    Args:
        submitter_lives: Whether a process is submitting it.
        is_offered: Whether a live worker offers its handler.
        example_batch: A batch that crashed or failed.
        waiting: Why its pending batches wait, if any do.

    Returns:
        The commands, most urgent first.
    """
    number = job.job_id
    steps: list[NextStep] = []
    submitting = job.phase in {JobPhase.OPEN, JobPhase.ABANDONED}
    if submitting and not submitter_lives:
        steps.append(NextStep(f"evtrack submit --resume {number}", "the submission stopped: continue it"))
    if job.suspended and job.phase not in FINAL_PHASES:
        steps.append(NextStep(f"evtrack resume {number}", "the job is suspended: resume it"))
    if job.pending and not job.suspended and not is_offered:
        steps.append(NextStep("evtrack work --import MODULE", f"no live worker offers {job.handler}: start one"))
    if waiting is not None and waiting.why == "never started":
        slots = counted(waiting.free_slots, "slot is free", "slots are free")
        since = duration(waiting.waited_s or 0)
        steps.append(NextStep("evtrack status", f"pending for {since} although {slots}: check the workers"))
    if job.failed or job.crashed:
        steps.append(NextStep(f"evtrack batches {number} --status failed,crashed", "list failed and crashed batches"))
    if example_batch is not None:
        steps.append(NextStep(f"evtrack show {number} {example_batch}", f"see what happened to batch {example_batch}"))
    if (job.failed or job.crashed) and job.phase != JobPhase.CANCELLED:
        steps.append(NextStep(f"evtrack retry {number}", "return failed and crashed batches to the queue"))
    if job.phase not in FINAL_PHASES:
        steps.append(NextStep(f"evtrack progress {number} --follow", "watch its progress"))
    elif job.done:
        steps.append(NextStep(f"evtrack results {number}", "print the results"))
    return steps
