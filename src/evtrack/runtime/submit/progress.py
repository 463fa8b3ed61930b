"""How far a submission is, and what came of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubmitProgress:
    """Say how far a submission is; no figure ever goes back.

    Args:
        job_id: The job.
        items: Items in batches.
        invalid: Items that are not.
        batches: Batches.
        bytes_read: How much of the source was read.
        bytes_total: How large it is, if that is known.
        waited_s: For how long the full queue has held this chunk back; 0 when it does not.
        pending: How many batches were pending then.
    """

    job_id: int
    items: int
    invalid: int
    batches: int
    bytes_read: int
    bytes_total: int | None
    waited_s: float = 0.0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Submission:
    """Say what was submitted.

    Args:
        job_id: The job.
        items: Its valid items.
        invalid: Its invalid items.
        batches: Its batches.
        bytes_read: How much of the source was read.
        sealed: Whether it is submitted whole; if not, the submission was stopped and can go on.
    """

    job_id: int
    items: int
    invalid: int
    batches: int
    bytes_read: int
    sealed: bool = False
