"""The progress of a submission, and its result."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubmitProgress:
    """The progress of a submission; no number ever decreases.

    Args:
        items: Items in batches.
        invalid: Invalid items.
        bytes_read: Bytes of the source read so far.
        bytes_total: The size of the source in bytes, if known.
        waited_s: How long the full queue has held back this chunk; 0 if it does not.
        pending: How many batches were pending at the last check of the queue.
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
    """The result of a submission.

    Args:
        items: Its valid items.
        invalid: Its invalid items.
        bytes_read: Bytes of the source read.
        sealed: Whether the whole source is submitted; if not, the submission was stopped and can be resumed.
    """

    job_id: int
    items: int
    invalid: int
    batches: int
    bytes_read: int
    sealed: bool = False
