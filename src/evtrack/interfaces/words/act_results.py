"""What was done to a job, in a sentence: the commands print it, and the dashboard shows it."""

from typing import Final

from evtrack.interfaces.words.formatting import counted

_JOB_RESULTS: Final = {
    ("suspend", True): "is suspended: running batches continue, pending batches wait",
    ("suspend", False): "was already suspended",
    ("resume", True): "is resumed",
    ("resume", False): "was not suspended",
    ("cancel", True): "is cancelled: running batches finish, pending batches never run",
    ("cancel", False): "was already cancelled",
}

_REASONS: Final = {
    "unknown": "the job has no item with this key",
    "running": "is running; try again when it has ended",
    "pending": "is already pending",
    "completed": "is completed",
    "cancelled": "is cancelled for good",
}


def job_result(job_id: int, act: str, *, changed: bool) -> str:
    """Write what became of a job.

    Args:
        job_id: The job.
        act: suspend, resume or cancel.
        changed: Whether that changed anything.
    """
    return f"Job {job_id} {_JOB_RESULTS[act, changed]}."


def retry_result(job_id: int, number: int, statuses: list[str]) -> str:
    """Write how many batches were retried.

    Args:
        job_id: Their job.
        number: How many.
        statuses: Those that were asked for.
    """
    if number:
        return f"Job {job_id}: returned {counted(number, 'batch', 'batches')} to the queue."
    return f"Job {job_id} has no {' or '.join(statuses)} batches to retry."


def items_result(job_id: int, act: str, number: int) -> str:
    """Write how many items were retried or quarantined.

    Args:
        job_id: Their job.
        act: retry or quarantine.
        number: How many.
    """
    items = counted(number, "item")
    return f"Job {job_id}: {f'returned {items} to the queue' if act == 'retry' else f'quarantined {items}'}."


def item_reason(verdict: str) -> str:
    """Write why an item was left as it is.

    Args:
        verdict: Its verdict.
    """
    return _REASONS.get(verdict, f"is {verdict}, which --status excludes")
