"""What to run next, told from where a job stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from evtrack.domain.states import FINAL_PHASES, JobPhase
from evtrack.interfaces.terminal.text import counted, duration
from evtrack.storage.reports.job_reports import JobStatus, Waiting
from evtrack.storage.reports.worker_reports import WorkerRow


@dataclass(frozen=True, slots=True)
class Advice:
    """A command to run next, and what it is good for."""

    command: str
    why: str


def next_steps(
    job: JobStatus,
    *,
    submitter_lives: bool,
    workers: Sequence[WorkerRow],
    example_batch: int | None,
    waiting: Waiting | None = None,
) -> list[Advice]:
    """Find the commands that help with a job now.

    Args:
        job: Where it stands.
        submitter_lives: Whether a process is submitting it.
        workers: Those that are alive.
        example_batch: A batch worth looking at, one that crashed or failed last.
        waiting: Why its pending batches wait, if any does.

    Returns:
        The commands, the most urgent first.
    """
    number = job.job_id
    steps: list[Advice] = []
    submitting = job.phase in {JobPhase.OPEN, JobPhase.ABANDONED}
    if submitting and not submitter_lives:
        steps.append(Advice(f"evtrack submit --resume {number}", "nobody is submitting it: go on where it stopped"))
    if job.suspended and job.phase not in FINAL_PHASES:
        steps.append(Advice(f"evtrack resume {number}", "it is suspended: hand out its batches again"))
    if job.pending and not job.suspended and not any(job.handler in worker.handlers for worker in workers):
        steps.append(Advice("evtrack work --import MODULE", f"no live worker offers {job.handler}"))
    if waiting is not None and waiting.why == "never started":
        slots = counted(waiting.free_slots, "slot")
        since = duration(waiting.waited_s or 0)
        steps.append(Advice("evtrack status", f"pending for {since} although {slots} were free: is a worker stuck?"))
    if job.failed or job.crashed:
        steps.append(Advice(f"evtrack batches {number} --status failed,crashed", "what did not get done"))
    if example_batch is not None:
        steps.append(Advice(f"evtrack show {number} {example_batch}", f"what happened to batch {example_batch}"))
    if (job.failed or job.crashed) and job.phase != JobPhase.CANCELLED:
        steps.append(Advice(f"evtrack retry {number}", "bring failed and crashed batches back"))
    if job.phase not in FINAL_PHASES:
        steps.append(Advice(f"evtrack progress {number} --follow", "watch it"))
    elif job.done:
        steps.append(Advice(f"evtrack results {number}", "what the handler returned"))
    return steps
